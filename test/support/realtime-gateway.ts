import { randomUUID } from 'node:crypto'
import {
  type Cluster,
  createAuthenticator,
  createCluster,
  createHealth,
  createHttpApi,
  createHttpServer,
  createPermissions,
  createRouter,
  createSocketServer,
  type Hooks,
} from '../../src/gateway/index.ts'
import { type ConfigInput, createLogger, parseConfig } from '../../src/platform/index.ts'
import { createRealtimeTier } from '../../src/realtime/index.ts'
import { slowMachine } from './realtime-nodes.ts'

export const gatewayApiKey = 'key of a test gateway'

export interface RealtimeGateway {
  readonly http: string
  readonly websocket: string
  readonly cluster: Cluster
  /** The whole answer of the API, with its status. */
  api(
    method: string,
    params: unknown,
  ): Promise<{ status: number; result?: unknown; error?: { code: number } }>
  close(): Promise<void>
}

/** A node's whole gateway over the realtime tier and a real Redis, without Postgres, in this process. */
export async function startRealtimeGateway(
  redisUrl: string,
  prefix: string,
  input: ConfigInput,
): Promise<RealtimeGateway> {
  const config = parseConfig({ api: { key: gatewayApiKey }, ...input })
  const logger = createLogger('silent')
  const node = { id: randomUUID(), name: `test-${randomUUID().slice(0, 4)}`, version: '0.0.0' }
  const { auth, limits, namespaces } = config
  const realtime = await createRealtimeTier({
    redis: redisUrl,
    prefix,
    nodeId: node.id,
    logger,
    timings: slowMachine,
  })
  const router = createRouter({ namespaces, realtime, durable: undefined })
  const authenticator = createAuthenticator({ auth, hookTimeoutMs: limits.hookTimeoutMs, logger })
  const permissions = createPermissions({
    namespaces,
    insecure: auth.insecure,
    authenticator,
    hookTimeoutMs: limits.hookTimeoutMs,
  })
  const hooks: Hooks = { rpc: () => undefined, onPublish: () => undefined }
  const sockets = createSocketServer({
    config,
    authenticator,
    permissions,
    hooks,
    router,
    realtime,
    durable: undefined,
    cursors: undefined,
    logger,
    version: node.version,
  })
  const cluster = createCluster({
    node,
    control: realtime.control,
    sessions: sockets.sessions,
    router,
    logger,
    timings: { helloEveryMs: 100, forgetAfterMs: 2_000 },
  })
  const health = createHealth({
    router,
    namespaces,
    draining: () => false,
    load: () => ({ busy: [], late: false }),
  })
  const api = createHttpApi({ config, router, cluster, health, logger })
  const server = createHttpServer({
    api,
    handleUpgrade: (request, socket, head) => sockets.handleUpgrade(request, socket, head),
  })
  const { port } = await server.listen('127.0.0.1', 0)
  const http = `http://127.0.0.1:${port}`
  return {
    http,
    websocket: `ws://127.0.0.1:${port}/connection/websocket`,
    cluster,
    async api(method, params) {
      const response = await fetch(`${http}/api/${method}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': gatewayApiKey },
        body: JSON.stringify(params),
      })
      return { status: response.status, ...((await response.json()) as object) }
    },
    async close() {
      await sockets.close()
      cluster.close()
      await server.close(500)
      await realtime.close()
    },
  }
}
