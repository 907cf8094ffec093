import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws'
import { type Deliveries, Turn } from '../hub/index.ts'
import { disconnects, withDetail } from '../protocol/index.ts'
import { Admission, type TurnedAway } from './admission.ts'
import { GatewayCounts } from './gateway-counts.ts'
import { chooseProtocol, isOriginAllowed, openingOf, wantsProtobuf, webSocketPath } from './handshake.ts'
import type { LimitName } from './limit-counts.ts'
import { addressKey, type ClientAddress, clientAddress } from './limits/client-address.ts'
import { connectionChecks } from './limits/connection-checks.ts'
import { ConnectionCounts } from './limits/connection-counts.ts'
import { ProxyWarning } from './limits/proxy-warning.ts'
import { RateLimits } from './limits/rate-limits.ts'
import { Room } from './limits/room.ts'
import { LoadWatch, loadReasons } from './load/load-watch.ts'
import type { GatewayParts } from './parts.ts'
import { Session } from './session.ts'
import { SessionRegistry } from './session-registry.ts'
import { largestUses, type SessionUse } from './session-use.ts'
import { spread } from './spread.ts'
import { steadyNow } from './steady-clock.ts'
import { TierWatch } from './tier-watch.ts'
import type { Sessions } from './types.ts'
import { WebSocketTransport } from './websocket-transport.ts'

export type SocketServerOptions = Omit<
  GatewayParts,
  'registry' | 'turn' | 'counts' | 'rates' | 'userConnections' | 'commandBytes' | 'load' | 'tiers'
>

export interface SocketUsage {
  /** Sessions that are not connected yet. */
  readonly opening: number
  readonly connected: number
  /** Bytes that wait in the mailboxes of all sessions, and in the fullest of them. */
  readonly mailboxBytes: number
  readonly largestMailboxBytes: number
  /** Bytes of commands under way. */
  readonly commandBytes: number
}

export interface SocketServer {
  /** The connected sessions of this node. */
  readonly sessions: Sessions
  /** Open sockets, whether connected or not yet. */
  readonly openSockets: number
  readonly counts: GatewayCounts
  /** What has become of the messages that came here for subscribers. */
  readonly deliveries: Deliveries
  readonly loadWatch: LoadWatch
  /** Looks at every session: for somebody who asks now and then. */
  usage(): SocketUsage
  /** The users who take up most of this node. As `usage`. */
  users(most: number): readonly SessionUse[]
  /** Takes an upgrade request of any HTTP server; false where it is not for this path and nothing was done. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean
  /**
   * Takes no new connections, and ends every connection with 3001, upon which SDKs go to another node: one after the
   * other over `limits.drainSpreadMs`, each when what it has under way is answered. Until its turn has come a client
   * is served as always. Resolves when all are gone; after `limits.drainTimeoutMs` they are cut.
   */
  close(): Promise<void>
}

/** How long a peer may take to answer a close frame. */
const closeTimeoutMs = 5_000

/** Parts of one frame: as many as its largest has when each is of this size, and never fewer than some. */
const bytesPerPart = 256
const leastFrameParts = 256
/** Pings of a client that reads nothing; above it the connection is cut. */
const maxPendingAutoPongs = 60

/** Another node takes it at once; the balancer may need a moment to know that. */
const retryAfterDrainSeconds = 1

/** So few milliseconds for each client do the others no harm: a node with few of them need not take its whole window. */
const drainMsPerClient = 5
/** The rest of the drain time is for those who are slow to go. */
const mostOfDrainTime = 0.75

/** The endpoint of client connections. */
export function createSocketServer(options: SocketServerOptions): SocketServer {
  return new SessionServer(options)
}

class SessionServer implements SocketServer {
  readonly sessions = new SessionRegistry()
  readonly #parts: GatewayParts
  readonly #webSockets: WebSocketServer
  readonly #open = new Map<Session, WebSocket>()
  readonly counts = new GatewayCounts()
  readonly loadWatch: LoadWatch
  readonly #addresses: ConnectionCounts
  readonly #addressOf: ClientAddress
  readonly #proxyWarning: ProxyWarning
  readonly #admission: Admission
  readonly #ticker: NodeJS.Timeout
  readonly #gone = new Set<() => void>()
  #closing = false

  constructor(options: SocketServerOptions) {
    const { limits, http, namespaces } = options.config
    const { limited } = this.counts
    this.loadWatch = new LoadWatch(limits, options.logger)
    this.#parts = {
      ...options,
      registry: this.sessions,
      turn: new Turn(),
      counts: this.counts,
      rates: new RateLimits({ ...limits, namespaces }, limited),
      userConnections: new ConnectionCounts(limits.maxConnectionsPerUser),
      commandBytes: new Room(limits.maxCommandBytes, 'node_command_bytes', limited),
      load: this.loadWatch,
      tiers: new TierWatch({ status: options.router.status, durable: options.durable !== undefined }),
    }
    this.#addressOf = clientAddress(http.trustedProxies)
    this.#proxyWarning = new ProxyWarning(options.logger)
    this.#addresses = new ConnectionCounts(limits.maxConnectionsPerAddress)
    const connections = { limits, openSockets: () => this.#open.size, addresses: this.#addresses }
    this.#admission = new Admission([this.loadWatch.check, ...connectionChecks(connections)], limited)
    const settings: ServerOptions & { closeTimeout: number; maxPendingAutoPongs: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      // A larger frame is refused by its header, before a byte of it is kept, with the WebSocket's own code 1009,
      // which SDKs take as final ("message size limit exceeded"). A command can not be larger than its frame.
      maxPayload: limits.maxFrameBytes,
      // Small parts of a frame take many times their bytes in memory until it is whole.
      maxFragments: Math.max(leastFrameParts, Math.ceil(limits.maxFrameBytes / bytesPerPart)),
      maxBufferedChunks: Math.max(leastFrameParts, Math.ceil(limits.maxFrameBytes / bytesPerPart)) * 4,
      maxPendingAutoPongs,
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

  get deliveries(): Deliveries {
    return this.#parts.turn.deliveries
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    if (request.url?.split('?', 1)[0] !== webSocketPath) return false
    const { handshakes } = this.counts
    if (this.#closing) {
      handshakes.draining++
      turnAway(socket, { status: 503, retryAfterSeconds: retryAfterDrainSeconds })
    } else if (!isOriginAllowed(request, this.#parts.config.auth)) {
      handshakes.origin++
      refuse(socket, '403 Forbidden')
    } else {
      const address = this.#addressOf(request)
      const turnedAway = this.#admission.ask({ address })
      if (turnedAway) {
        this.#proxyWarning.turnedAway(request, address, turnedAway.limit)
        handshakes[loadReasons.some(reason => reason === turnedAway.limit) ? 'busy' : 'limit']++
        turnAway(socket, turnedAway)
        return true
      }
      let taken = false
      this.#webSockets.handleUpgrade(request, socket, head, webSocket => {
        taken = true
        this.#accept(webSocket, socket, request)
        if (address !== undefined) this.#countAddress(webSocket, addressKey(address))
      })
      // `ws` has answered by itself, in the same turn.
      if (!taken) handshakes.protocol++
    }
    return true
  }

  usage(): SocketUsage {
    let mailboxBytes = 0
    let largestMailboxBytes = 0
    for (const { mailbox } of this.#open.keys()) {
      const bytes = mailbox.replyBytes + mailbox.pushBytes
      mailboxBytes += bytes
      largestMailboxBytes = Math.max(largestMailboxBytes, bytes)
    }
    const connected = this.sessions.size
    const commandBytes = this.#parts.commandBytes.used
    const opening = Math.max(0, this.#open.size - connected - this.sessions.hidden.size)
    return { opening, connected, mailboxBytes, largestMailboxBytes, commandBytes }
  }

  users(most: number): readonly SessionUse[] {
    return largestUses(this.#open.keys(), most)
  }

  async close(): Promise<void> {
    this.#closing = true
    const sessions = [...this.#open.keys()]
    const { drainTimeoutMs, drainSpreadMs } = this.#parts.config.limits
    const limitMs = drainTimeoutMs * mostOfDrainTime
    const spreadMs = Math.min(drainSpreadMs, limitMs, sessions.length * drainMsPerClient)
    const gone = this.#allGone(drainTimeoutMs)
    await spread(sessions, { spreadMs, limitMs }, session => {
      this.#parts.logger.debug({ client: session.client }, 'a client is sent to another node')
      session.drain()
    })
    await gone
    clearInterval(this.#ticker)
    this.loadWatch.close()
    if (this.#open.size > 0)
      this.#parts.logger.warn({ clients: this.#open.size }, 'clients that did not go are cut')
    for (const webSocket of this.#open.values()) webSocket.terminate()
    await this.#allGone(1_000)
  }

  #accept(webSocket: WebSocket, socket: Duplex, request: IncomingMessage): void {
    const transport = new WebSocketTransport(webSocket, socket)
    if (wantsProtobuf(request, webSocket.protocol)) {
      this.counts.handshakes.protocol++
      webSocket.on('error', () => undefined)
      transport.close(withDetail(disconnects.inappropriateProtocol, 'only the JSON protocol is served'))
      return
    }
    this.counts.handshakes.accepted++
    const session = new Session(this.#parts, transport, openingOf(request))
    this.#open.set(session, webSocket)
    webSocket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) session.end(withDetail(disconnects.inappropriateProtocol, 'expected text frames'))
      else session.receive(data.toString())
    })
    const control = () => session.receiveControl()
    webSocket.on('ping', control)
    webSocket.on('pong', control)
    // A broken frame: `ws` has sent its close code already.
    webSocket.on('error', (error: NodeJS.ErrnoException) => {
      const limit = limitOfFrameError[error.code ?? '']
      if (limit) this.counts.limited.add(limit)
      session.lost(error.code?.startsWith('WS_ERR_') ? 'frame' : 'peer')
    })
    webSocket.on('close', () => {
      session.lost('peer')
      this.#open.delete(session)
      if (this.#open.size === 0) for (const resolve of this.#gone) resolve()
    })
  }

  #countAddress(webSocket: WebSocket, key: string): void {
    if (this.#addresses.enter(key)) webSocket.once('close', () => this.#addresses.leave(key))
  }

  readonly #tick = (): void => {
    const now = steadyNow()
    this.#parts.tiers.look()
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

const limitOfFrameError: Readonly<Record<string, LimitName>> = {
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 'frame_bytes',
  WS_ERR_TOO_MANY_BUFFERED_PARTS: 'frame_parts',
}

function refuse(socket: Duplex, status: string, header = ''): void {
  socket.on('error', () => undefined)
  socket.end(`HTTP/1.1 ${status}\r\n${header}Connection: close\r\nContent-Length: 0\r\n\r\n`)
}

function turnAway(
  socket: Duplex,
  { status, retryAfterSeconds }: Pick<TurnedAway, 'status' | 'retryAfterSeconds'>,
): void {
  const line = status === 429 ? '429 Too Many Requests' : '503 Service Unavailable'
  refuse(socket, line, `Retry-After: ${retryAfterSeconds}\r\n`)
}
