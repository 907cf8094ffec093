import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws'
import { Turn } from '../hub/index.ts'
import { disconnects, withDetail } from '../protocol/index.ts'
import { Admission, type TurnedAway } from './admission.ts'
import { chooseProtocol, isOriginAllowed, openingOf, wantsProtobuf, webSocketPath } from './handshake.ts'
import { LimitCounts } from './limit-counts.ts'
import type { GatewayParts } from './parts.ts'
import { Session } from './session.ts'
import { SessionRegistry } from './session-registry.ts'
import type { Sessions } from './types.ts'
import { WebSocketTransport } from './websocket-transport.ts'

export type SocketServerOptions = Omit<GatewayParts, 'registry' | 'turn'>

export interface SocketServer {
  /** The connected sessions of this node. */
  readonly sessions: Sessions
  /** Open sockets, whether connected or not yet. */
  readonly openSockets: number
  /** Takes an upgrade request of any HTTP server; false where it is not for this path and nothing was done. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean
  /**
   * Takes no new connections, answers what is under way, and ends every connection with 3001, upon which SDKs go
   * to another node. Resolves when all are gone; after `limits.drainTimeoutMs` they are cut.
   */
  close(): Promise<void>
}

/** How long a peer may take to answer a close frame. */
const closeTimeoutMs = 5_000

/** The endpoint of client connections. */
export function createSocketServer(options: SocketServerOptions): SocketServer {
  return new SessionServer(options)
}

class SessionServer implements SocketServer {
  readonly sessions = new SessionRegistry()
  readonly #parts: GatewayParts
  readonly #webSockets: WebSocketServer
  readonly #open = new Map<Session, WebSocket>()
  readonly #limits = new LimitCounts()
  readonly #admission = new Admission([], this.#limits)
  readonly #ticker: NodeJS.Timeout
  readonly #gone = new Set<() => void>()
  #closing = false

  constructor(options: SocketServerOptions) {
    this.#parts = { ...options, registry: this.sessions, turn: new Turn() }
    const { limits } = options.config
    const settings: ServerOptions & { closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      // A larger frame is refused by its header, before a byte of it is kept, with the WebSocket's own code 1009,
      // which SDKs take as final ("message size limit exceeded"). A command can not be larger than its frame.
      maxPayload: limits.maxFrameBytes,
      handleProtocols: chooseProtocol,
      closeTimeout: closeTimeoutMs,
    }
    this.#webSockets = new WebSocketServer(settings)
    const shortest = Math.min(limits.pingIntervalMs, limits.pongTimeoutMs, limits.connectTimeoutMs)
    this.#ticker = setInterval(this.#tick, Math.min(1_000, Math.max(50, shortest / 4)))
    this.#ticker.unref()
  }

  get openSockets(): number {
    return this.#open.size
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    if (request.url?.split('?', 1)[0] !== webSocketPath) return false
    if (this.#closing) refuse(socket, '503 Service Unavailable')
    else if (!isOriginAllowed(request, this.#parts.config.auth.allowedOrigins))
      refuse(socket, '403 Forbidden')
    else {
      const turnedAway = this.#admission.ask({ address: request.socket.remoteAddress })
      if (turnedAway) {
        turnAway(socket, turnedAway)
        return true
      }
      this.#webSockets.handleUpgrade(request, socket, head, webSocket => {
        this.#accept(webSocket, socket, request)
      })
    }
    return true
  }

  async close(): Promise<void> {
    this.#closing = true
    for (const session of this.#open.keys()) session.drain()
    await this.#allGone(this.#parts.config.limits.drainTimeoutMs)
    clearInterval(this.#ticker)
    for (const webSocket of this.#open.values()) webSocket.terminate()
    await this.#allGone(1_000)
  }

  #accept(webSocket: WebSocket, socket: Duplex, request: IncomingMessage): void {
    const transport = new WebSocketTransport(webSocket, socket)
    if (wantsProtobuf(request, webSocket.protocol)) {
      webSocket.on('error', () => undefined)
      transport.close(withDetail(disconnects.inappropriateProtocol, 'only the JSON protocol is served'))
      return
    }
    const session = new Session(this.#parts, transport, openingOf(request))
    this.#open.set(session, webSocket)
    webSocket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) session.end(withDetail(disconnects.inappropriateProtocol, 'expected text frames'))
      else session.receive(data.toString())
    })
    // A broken frame: `ws` has sent its close code already.
    webSocket.on('error', () => session.lost())
    webSocket.on('close', () => {
      session.lost()
      this.#open.delete(session)
      if (this.#open.size === 0) for (const resolve of this.#gone) resolve()
    })
  }

  readonly #tick = (): void => {
    const now = Date.now()
    for (const session of this.#open.keys()) session.tick(now)
  }

  #allGone(limitMs: number): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve()
    return new Promise(resolve => {
      const done = () => {
        clearTimeout(timer)
        this.#gone.delete(done)
        resolve()
      }
      const timer = setTimeout(done, limitMs)
      this.#gone.add(done)
    })
  }
}

function refuse(socket: Duplex, status: string, header = ''): void {
  socket.on('error', () => undefined)
  socket.end(`HTTP/1.1 ${status}\r\n${header}Connection: close\r\nContent-Length: 0\r\n\r\n`)
}

function turnAway(socket: Duplex, { status, retryAfterSeconds }: TurnedAway): void {
  const line = status === 429 ? '429 Too Many Requests' : '503 Service Unavailable'
  refuse(socket, line, `Retry-After: ${retryAfterSeconds}\r\n`)
}
