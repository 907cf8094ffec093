import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  createAuthenticator,
  createPermissions,
  createRouter,
  createSocketServer,
  type Hooks,
  type PublishCall,
  type RpcCall,
  type SocketServer,
} from '../../src/gateway/index.ts'
import { type ConfigInput, createLogger, parseConfig } from '../../src/platform/index.ts'
import type { RealtimeTier } from '../../src/realtime/index.ts'
import { StandInDurable, StandInRealtime } from './stand-in-tiers.ts'

export const stageSecret = 'a secret for tests of the gateway'

export interface StageOptions {
  readonly config?: ConfigInput
  readonly rpc?: Readonly<Record<string, (call: RpcCall) => unknown>>
  readonly onPublish?: (call: PublishCall) => unknown
  readonly withoutDurable?: boolean
  /** Any free one by default. */
  readonly port?: number
  /** A tier over the real Redis in place of the one in memory. */
  readonly realtime?: RealtimeTier
}

/** The socket side of a node on a real HTTP server, over tiers in memory. */
export interface Stage {
  readonly url: string
  readonly http: Server
  readonly sockets: SocketServer
  readonly realtime: StandInRealtime
  readonly durable: StandInDurable
  close(): Promise<void>
}

const everyone = ['anonymous'] as const
const open = {
  subscribe: [...everyone],
  publish: [...everyone],
  append: [...everyone],
  presence: [...everyone],
  history: [...everyone],
}

/** Namespaces: `open` and `fact` allow all, `shut` nothing, `quiet` has neither presence nor history. */
export const namespaces: NonNullable<ConfigInput['namespaces']> = {
  open: { presence: true, joinLeave: true, history: { size: 10, ttlSeconds: 60 }, allow: open },
  quiet: { allow: open },
  fact: { tier: 'durable', presence: true, joinLeave: true, allow: open },
  shut: { presence: true, history: { size: 10, ttlSeconds: 60 }, allow: {} },
  members: { allow: { subscribe: ['token'], publish: ['subscriber', 'anonymous'] } },
  personal: { presence: true, allow: {} },
}

export async function startStage(options: StageOptions = {}): Promise<Stage> {
  const config = parseConfig({
    namespaces,
    ...options.config,
    auth: { allowAnonymous: true, token: { hmacSecret: stageSecret }, ...options.config?.auth },
  })
  const logger = createLogger('silent')
  const standIn = new StandInRealtime()
  const realtime = options.realtime ?? standIn
  const durable = new StandInDurable()
  const authenticator = createAuthenticator({
    auth: config.auth,
    hook: () => undefined,
    hookTimeoutMs: config.limits.hookTimeoutMs,
    logger,
  })
  const permissions = createPermissions({
    namespaces: config.namespaces,
    insecure: config.auth.insecure,
    authenticator,
    hookTimeoutMs: config.limits.hookTimeoutMs,
  })
  const ledger = options.withoutDurable ? undefined : durable
  const router = createRouter({ namespaces: config.namespaces, realtime, durable: ledger })
  const hooks: Hooks = {
    rpc: method => (options.rpc && Object.hasOwn(options.rpc, method) ? options.rpc[method] : undefined),
    onPublish: () => options.onPublish,
  }
  const parts = { config, authenticator, permissions, hooks, router, realtime, logger, version: 'test' }
  const sockets = createSocketServer({ ...parts, durable: ledger, cursors: undefined })
  const http = createServer((_, response) => response.writeHead(404).end())
  http.on('upgrade', (request, socket, head) => {
    if (!sockets.handleUpgrade(request, socket, head)) socket.destroy()
  })
  await new Promise<void>(resolve => http.listen(options.port ?? 0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo
  return {
    url: `ws://127.0.0.1:${port}/connection/websocket`,
    http,
    sockets,
    realtime: standIn,
    durable,
    close: async () => {
      await sockets.close()
      http.closeAllConnections()
      await new Promise(resolve => http.close(resolve))
    },
  }
}
