import { request } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { FrameClient } from '../../test/support/frame-client.ts'
import { ControlRoom, MemoryRouter, RecordedSessions } from '../../test/support/gateway.ts'
import { type Stage, stageSecret, startStage } from '../../test/support/gateway-stage.ts'
import { until } from '../../test/support/until.ts'
import { type ConfigInput, createLogger, parseConfig } from '../platform/index.ts'
import { createHttpApi } from './api/http-api.ts'
import { createToken } from './auth/create-token.ts'
import { createCluster } from './cluster/cluster.ts'
import { createHealth } from './health.ts'
import { createHttpServer } from './http-server.ts'
import { LimitCounts, type LimitName } from './limit-counts.ts'

/** So slow that nothing comes back during a test: what passes is the burst, to the number. */
const burstOf = (burst: number) => ({ perSecond: 0.01, burst })
const close: (() => unknown)[] = []
afterEach(async () => {
  for (const each of close.splice(0).reverse()) await each()
})

describe('connections', () => {
  let stage: Stage
  async function start(config: ConfigInput): Promise<void> {
    stage = await startStage({ config })
    close.push(() => stage.close())
  }
  const limited = (limit: LimitName) => Object.fromEntries(stage.sockets.counts.limited.entries())[limit]

  /** Asks for a connection: the answer's status, 101 where it is taken, and what it says of when to come back. */
  async function ask(forwardedFor?: string): Promise<{ status: number; retryAfter?: string | undefined }> {
    const headers = forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor }
    const socket = new WebSocket(stage.url, { headers })
    socket.on('error', () => undefined)
    close.push(() => socket.terminate())
    return new Promise(resolve => {
      socket.on('open', () => resolve({ status: 101 }))
      socket.on('unexpected-response', (_, response) => {
        resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] })
        response.destroy()
      })
    })
  }
  const statuses = async (count: number, from?: string) => {
    const all: number[] = []
    for (let i = 0; i < count; i++) all.push((await ask(from)).status)
    return all
  }
  const proxied = { trustedProxies: ['127.0.0.1'] }

  it('of a node: the last is taken, the next is told to come back, and is taken when one has gone', async () => {
    await start({ limits: { maxConnections: 3 } })
    const first = await FrameClient.connected(stage.url)
    expect(await statuses(2)).toEqual([101, 101])
    expect(await ask()).toEqual({ status: 503, retryAfter: '10' })
    first.send({ id: 2, presence: { channel: 'open:a' } })
    expect((await first.expectReply(2)).error).toBeUndefined()
    first.close()
    await until('it is gone', () => stage.sockets.openSockets === 2)
    expect(await statuses(2)).toEqual([101, 503])
    expect(limited('node_connections')).toBe(2)
  })

  it('may come so fast to a node; who is turned away for another reason uses up nothing', async () => {
    await start({
      http: proxied,
      limits: { rates: { newConnections: burstOf(3), newConnectionsPerAddress: burstOf(2) } },
    })
    expect(await statuses(5, '198.51.100.1')).toEqual([101, 101, 429, 429, 429])
    expect(await ask('198.51.100.1')).toEqual({ status: 429, retryAfter: '100' })
    expect(await ask('198.51.100.2')).toEqual({ status: 101 })
    expect(await ask('198.51.100.3')).toEqual({ status: 503, retryAfter: '100' })
    expect([limited('address_connection_rate'), limited('node_connection_rate')]).toEqual([4, 1])
  })

  it('of one address; a spoofed one does not help, and IPv6 counts by network', async () => {
    await start({ http: proxied, limits: { maxConnectionsPerAddress: 2 } })
    expect(await statuses(3, '1.2.3.4, 198.51.100.1')).toEqual([101, 101, 429])
    expect(await ask('9.9.9.9, 198.51.100.1')).toEqual({ status: 429, retryAfter: '10' })
    expect(await statuses(2, '198.51.100.2')).toEqual([101, 101])
    expect(await statuses(2, '2001:db8::1')).toEqual([101, 101])
    expect(await ask('2001:db8::2')).toMatchObject({ status: 429 })
    expect(await ask('2001:db8:0:1::2')).toMatchObject({ status: 101 })
  })

  it('behind a proxy that is not trusted are all the proxy’s', async () => {
    await start({ limits: { maxConnectionsPerAddress: 1 } })
    expect([await ask('198.51.100.1'), await ask('198.51.100.2')]).toMatchObject([
      { status: 101 },
      { status: 429 },
    ])
  })

  it('of a user: one more is ended with 3504, also of those that come at once; others are not', async () => {
    await start({ limits: { maxConnectionsPerUser: 2 } })
    const token = (user: string) => createToken({ hmacSecret: stageSecret }, { user })
    const connect = async (user?: string): Promise<FrameClient> => {
      const client = await FrameClient.open(stage.url)
      close.push(() => client.close())
      client.send({ id: 1, connect: user === undefined ? {} : { token: await token(user) } })
      return client
    }
    const clients = await Promise.all([1, 2, 3, 4, 5].map(() => connect('ann')))
    await until('three are ended', () => clients.filter(client => client.hasEnded).length === 3)
    const [refused] = clients.filter(client => client.hasEnded)
    expect(await refused?.ended()).toEqual({ code: 3504, reason: 'connection limit' })
    const [kept, other] = clients.filter(client => !client.hasEnded)
    expect((await kept?.expectReply(1))?.error).toBeUndefined()
    for (const one of await Promise.all([connect('bob'), connect(), connect(), connect()])) {
      expect((await one.expectReply(1)).error).toBeUndefined()
    }
    other?.close()
    await until('one is gone', () => [...stage.sockets.sessions.ofUser('ann')].length === 1)
    expect((await (await connect('ann')).expectReply(1)).error).toBeUndefined()
    expect(limited('user_connections')).toBe(3)
    expect(stage.sockets.counts.ended.get('3504')).toBe(3)
    expect(stage.sockets.counts.connects).toBe(2 + 4 + 1)
  })
})

describe('requests of the HTTP API', () => {
  let base: URL
  let counts: LimitCounts
  let release: () => void
  const key = 'the-api-key'

  async function start(limits: NonNullable<ConfigInput['limits']>): Promise<void> {
    const config = parseConfig({ api: { key }, namespaces: { room: {} }, limits })
    const logger = createLogger('silent')
    const router = new MemoryRouter(config.namespaces)
    const gate = new Promise<void>(resolve => {
      release = resolve
    })
    router.publish = () => gate.then(() => undefined)
    const node = { id: 'a', name: 'a', version: '0.1.0' }
    const control = new ControlRoom().join('a')
    const cluster = createCluster({ node, control, sessions: new RecordedSessions(), router, logger })
    const health = createHealth({
      router,
      namespaces: config.namespaces,
      draining: () => false,
      load: () => ({ busy: [], late: false }),
    })
    counts = new LimitCounts()
    const api = createHttpApi({ config, router, cluster, health, logger, limited: counts })
    const server = createHttpServer({ api, handleUpgrade: (_, socket) => socket.destroy() })
    const { port } = await server.listen('127.0.0.1', 0)
    base = new URL(`http://127.0.0.1:${port}`)
    close.push(
      () => cluster.close(),
      () => server.close(100),
    )
  }

  function call(path: string, body: string): Promise<{ status: number; retryAfter: string | undefined }> {
    return new Promise((resolve, reject) => {
      const headers = { 'x-api-key': key, 'content-length': Buffer.byteLength(body) }
      const sent = request(new URL(path, base), { method: 'POST', headers, agent: false }, response => {
        response.resume()
        resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'] })
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }
  const publication = (bytes = 1) => JSON.stringify({ channel: 'room:a', data: 'x'.repeat(bytes) })
  const limited = (limit: LimitName) => Object.fromEntries(counts.entries())[limit]

  it.each<[string, NonNullable<ConfigInput['limits']>, number, LimitName]>([
    ['by number', { maxApiRequests: 3 }, 1, 'api_requests'],
    ['by bytes', { maxApiBytes: 100_000 }, 30_000, 'api_bytes'],
  ])(
    'under way are bounded %s: the next is told to come back, and comes in when one has ended',
    async (...[, limits, bytes, limit]) => {
      await start(limits)
      const waiting = [1, 2, 3].map(() => call('/api/publish', publication(bytes)))
      await until('another is refused', async () => {
        // Until the three have arrived, this one is let in, and is answered at once.
        const { status, retryAfter } = await call('/api/presence_stats', publication(bytes))
        return status === 503 && retryAfter === '1'
      })
      expect((await fetch(new URL('/health/live', base))).status).toBe(200)
      const refused = limited(limit) ?? 0
      expect(refused).toBeGreaterThan(0)
      release()
      expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200, 200])
      await until(
        'there is room',
        async () => (await call('/api/publish', publication(bytes))).status === 200,
      )
    },
  )

  it('without the key take no room', async () => {
    await start({ maxApiRequests: 1 })
    const waiting = call('/api/publish', publication())
    const strangers = await Promise.all(
      Array.from({ length: 20 }, () =>
        fetch(new URL('/api/publish', base), { method: 'POST', body: publication() }),
      ),
    )
    expect(new Set(strangers.map(({ status }) => status))).toEqual(new Set([401]))
    expect(limited('api_requests')).toBe(0)
    release()
    expect((await waiting).status).toBe(200)
  })
})
