import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError } from '../domain/index.ts'
import type { HttpApi } from './api/http-api.ts'
import { webSocketPath } from './handshake.ts'

export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Of the own server, beside those of clients and of the API: health, metrics, pages, and whoever says nothing. */
const otherSockets = 1_000

export interface HttpServerOptions {
  /** Bounds the sockets of a server of our own; 0 connections: no bound. */
  readonly limits?: { readonly maxConnections: number; readonly maxApiRequests: number }
  readonly api: HttpApi
  /** Gets upgrades of `/connection/websocket` and owns the socket from then on. */
  readonly handleUpgrade: UpgradeHandler
}

export interface HttpServer {
  /**
   * Listens on a server of our own; port 0 takes any free one.
   * @throws HoldfastError CONFIG_INVALID where the port is taken or may not be used
   */
  listen(host: string, port: number): Promise<{ readonly host: string; readonly port: number }>
  /**
   * Serves our paths on an application's server. Its own listeners get everything else, whether they were there
   * before or come later, and never see ours. Who comes before `begun` has ended waits for it, two seconds at most.
   */
  attach(server: Server, begun?: Promise<unknown>): void
  /**
   * Stops accepting at once. Resolves when the last connection is gone; those that are still open after `graceMs` are
   * cut. An attached server gets its paths back when `drained` has resolved, and is otherwise left alone: until then
   * whoever comes is told to come back, instead of being told that there is no such path.
   */
  close(graceMs: number, drained?: Promise<unknown>): Promise<void>
}

/** Against clients that hold a connection by sending slowly. */
const limits = { headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 1_000 }
/** For so long whoever comes waits for what has to be known before anybody is served. */
const beginMs = 2_000
/** Longer than the idle time of usual balancers (60 s), so that they and not we end a connection. */
const keepAliveTimeout = 65_000

export function createHttpServer({ api, handleUpgrade, limits: bounds }: HttpServerOptions): HttpServer {
  const undo: (() => void)[] = []
  let own: { server: Server; sockets: Set<Socket> } | undefined
  let ending = false
  // Else a busy connection would be kept for its next request until it is cut, perhaps in the middle of one.
  api.app.addHook('onSend', async (_, reply) => {
    if (ending) reply.header('connection', 'close')
  })

  return {
    async listen(host, port) {
      await api.app.ready()
      const server = createServer({ ...limits, keepAliveTimeout }, api.app.routing)
      if (bounds && bounds.maxConnections > 0) {
        server.maxConnections = bounds.maxConnections + bounds.maxApiRequests + otherSockets
      }
      const sockets = new Set<Socket>()
      server.on('connection', socket => {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
      })
      server.on('upgrade', (request, socket, head) => {
        if (pathOf(request) === webSocketPath) handleUpgrade(request, socket, head)
        else refuseUpgrade(socket)
      })
      await listening(server, host, port)
      own = { server, sockets }
      const address = server.address()
      return { host, port: typeof address === 'object' && address ? address.port : port }
    },

    attach(server, begun = Promise.resolve()) {
      undo.push(takeOver(server, api, handleUpgrade, begun))
    },

    async close(graceMs, drained) {
      ending = true
      if (own) await closing(own.server, own.sockets, graceMs)
      await drained
      for (const each of undo.splice(0)) each()
      await api.app.close()
    },
  }
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/'
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}

/** Answers an upgrade that nobody here takes. */
export function refuseUpgrade(socket: Duplex): void {
  socket.on('error', () => undefined)
  socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () =>
    socket.destroy(),
  )
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason: Record<string, string> = {
        EADDRINUSE: 'is taken by another program',
        EACCES: 'may not be used without more rights',
        EADDRNOTAVAIL: 'cannot be used: this machine has no such address',
        ENOTFOUND: 'cannot be used: the host name is not known',
      }
      const why = reason[cause.code ?? ''] ?? `cannot be listened on (${cause.message})`
      const variable =
        cause.code === 'EADDRNOTAVAIL' || cause.code === 'ENOTFOUND' ? 'HOLDFAST_HOST' : 'HOLDFAST_PORT'
      const message = `port ${port} on ${host} ${why}; set ${variable} to choose another`
      reject(new HoldfastError('CONFIG_INVALID', message, { cause, details: { host, port } }))
    })
    server.listen(port, host, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
}

async function closing(server: Server, sockets: ReadonlySet<Socket>, graceMs: number): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  server.closeIdleConnections()
  const cut = setTimeout(() => {
    for (const socket of sockets) socket.destroy()
  }, graceMs)
  await closed
  clearTimeout(cut)
}

/**
 * Puts us before the server's listeners by standing in for its `emit`: listeners are free to come and go, which a
 * list of them taken now would miss.
 */
function takeOver(
  server: Server,
  api: HttpApi,
  handleUpgrade: UpgradeHandler,
  begun: Promise<unknown>,
): () => void {
  const { emit } = server
  const patience = delay(beginMs, undefined, { ref: false })
  const known = Promise.race([begun, patience]).catch(() => undefined)
  const ready = Promise.all([api.app.ready(), known])
  let open = false
  void known.then(() => {
    open = true
  })
  // Said to whoever sends a request; without one it is nobody's to handle.
  ready.catch(() => undefined)
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    ready.then(
      () => api.app.routing(request, response),
      () => response.writeHead(503).end(),
    )
  }

  const upgrade: UpgradeHandler = (request, socket, head) => {
    if (open) return handleUpgrade(request, socket, head)
    const ignore = () => undefined
    // One that breaks meanwhile is nobody's fault; whoever takes it sees that it is closed.
    socket.on('error', ignore)
    void known.then(() => {
      socket.off('error', ignore)
      if (!socket.destroyed) handleUpgrade(request, socket, head)
    })
  }

  function standIn(this: Server, event: string, ...args: unknown[]): boolean {
    const [request, response, head] = args
    if (
      event === 'request' &&
      (server.listenerCount('request') === 0 || api.owns(pathOf(request as IncomingMessage)))
    ) {
      serve(request as IncomingMessage, response as ServerResponse)
      return true
    }
    if (event === 'upgrade' && pathOf(request as IncomingMessage) === webSocketPath) {
      upgrade(request as IncomingMessage, response as Duplex, head as Buffer)
      return true
    }
    if (event === 'upgrade' && server.listenerCount('upgrade') === 1) {
      refuseUpgrade(response as Duplex)
      return true
    }
    return Reflect.apply(emit, this, [event, ...args])
  }

  // Where nobody listens for upgrades, Node takes one for an ordinary request.
  const present = () => undefined
  server.on('upgrade', present)
  server.emit = standIn as typeof emit
  return () => {
    server.off('upgrade', present)
    // Whoever stood in after us passes on to us for ever; then we have nothing to take back.
    if (server.emit === (standIn as typeof emit)) server.emit = emit
  }
}
