import { once } from 'node:events'
import { request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ControlRoom, MemoryRouter, RecordedSessions } from '../../../test/support/gateway.ts'
import { HoldfastError } from '../../domain/index.ts'
import { type ConfigInput, createLogger, parseConfig } from '../../platform/index.ts'
import { type Cluster, createCluster } from '../cluster/cluster.ts'
import { createHealth } from '../health.ts'
import { createHttpServer, type HttpServer } from '../http-server.ts'
import { createHttpApi } from './http-api.ts'

const key = 'the-api-key'
const uuid = '0198c0de-0000-7000-8000-000000000001'

let base: string
let router: MemoryRouter
let sessions: RecordedSessions
let remoteSessions: RecordedSessions
let server: HttpServer
let clusters: Cluster[]
let draining: boolean

async function start(input: ConfigInput = {}): Promise<void> {
  const config = parseConfig({
    api: { key },
    namespaces: {
      room: { presence: true },
      order: { tier: 'durable' },
    },
    ...input,
  })
  const logger = createLogger('silent')
  const room = new ControlRoom()
  router = new MemoryRouter(config.namespaces)
  sessions = new RecordedSessions()
  remoteSessions = new RecordedSessions()
  draining = false
  const join = (id: string, of: RecordedSessions) =>
    createCluster({
      node: { id, name: `node ${id}`, version: '0.1.0' },
      control: room.join(id),
      sessions: of,
      router,
      logger,
    })
  clusters = [join('a', sessions), join('b', remoteSessions)]
  const [cluster] = clusters as [Cluster]
  const health = createHealth({
    router,
    namespaces: config.namespaces,
    draining: () => draining,
    load: () => ({ busy: [], late: false }),
  })
  const api = createHttpApi({ config, router, cluster, health, logger })
  server = createHttpServer({ api, handleUpgrade: (_, socket) => socket.destroy() })
  const { port } = await server.listen('127.0.0.1', 0)
  base = `http://127.0.0.1:${port}`
}

async function stop(): Promise<void> {
  for (const cluster of clusters) cluster.close()
  await server.close(100)
}

beforeEach(() => start())
afterEach(stop)

async function post(path: string, body: unknown, headers: Record<string, string> = { 'x-api-key': key }) {
  const response = await fetch(`${base}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, text, body: JSON.parse(text) as Record<string, unknown> }
}

async function call(method: string, params: unknown): Promise<unknown> {
  const { status, body } = await post(`/api/${method}`, params)
  expect(status).toBe(200)
  return body
}

const fault = (code: number, message: RegExp | string) => ({
  error: { code, message: expect.stringMatching(message) },
})

describe('the key', () => {
  it('opens the API in either header, and nothing else does', async () => {
    expect((await post('/api/info', {}, { 'x-api-key': key })).status).toBe(200)
    expect((await post('/api/info', {}, { authorization: `apikey ${key}` })).status).toBe(200)
    const wrong = [
      {},
      { 'x-api-key': '' },
      { 'x-api-key': `${key}x` },
      { 'x-api-key': key.slice(1) },
      { authorization: `Bearer ${key}` },
      { authorization: 'apikey' },
    ]
    for (const headers of wrong) {
      const answer = await post('/api/info', {}, headers as Record<string, string>)
      expect([answer.status, answer.body]).toEqual([401, { error: { code: 101, message: 'unauthorized' } }])
    }
    expect((await post(`/api/info?api_key=${key}`, {}, {})).status).toBe(401)
  })

  it('that nobody configured opens nothing', async () => {
    await stop()
    await start({ api: {} })
    for (const headers of [{}, { 'x-api-key': '' }, { 'x-api-key': 'undefined' }]) {
      const answer = await post('/api/info', {}, headers as Record<string, string>)
      expect(answer.status).toBe(403)
    }
  })

  it('is not needed where insecure is on and none is configured, for JSON only', async () => {
    await stop()
    await start({ api: {}, auth: { insecure: true } })
    expect((await post('/api/info', {}, {})).status).toBe(200)
    expect((await post('/api/info', {}, { 'content-type': 'text/plain' })).status).toBe(415)
    const rebound = request(`${base}/api/info`, {
      method: 'POST',
      headers: { host: 'rebinding.example' },
    }).end()
    expect((await once(rebound, 'response'))[0]).toMatchObject({ statusCode: 403 })
    await stop()
    await start({ auth: { insecure: true } })
    expect((await post('/api/info', {}, {})).status).toBe(401)
  })

  it('is asked for before the body is read', async () => {
    expect((await post('/api/publish', 'x'.repeat(5_000_000), {})).status).toBe(401)
  })
})

describe('publish', () => {
  it('passes data on as it came, but for line breaks between tokens', async () => {
    const data = '{"b":1.0,\n  "a":12345678901234567890,\r\n"s":"\\u00e4\\n/é", "e":1e2,"__proto__":{"x":1}}'
    expect(await call('publish', `{"data":0,"channel":"room:1","data": ${data} , "x":{"data":1}}`)).toEqual({
      result: {},
    })
    const kept = '{"b":1.0,  "a":12345678901234567890,"s":"\\u00e4\\n/é", "e":1e2,"__proto__":{"x":1}}'
    expect(router.asked).toEqual([{ channel: 'room:1', data: kept }])
  })

  it.each(['null', '0', '"text"', '[]', 'false', '""'])('takes %s for data', async data => {
    await call('publish', `{"channel":"room:1","data":${data}}`)
    expect(router.asked).toEqual([{ channel: 'room:1', data }])
  })

  it('takes data in base64, tags, a key, and what libraries send for "not given"', async () => {
    const b64data = Buffer.from('{"a":\n1.0}').toString('base64')
    await call('publish', {
      channel: 'room:1',
      b64data,
      tags: { a: 'b' },
      skip_history: true,
      idempotency_key: 'k',
      delta: true,
      version: 0,
      type: null,
    })
    expect(router.asked).toEqual([
      { channel: 'room:1', data: '{"a":1.0}', tags: { a: 'b' }, skipHistory: true, idempotencyKey: 'k' },
    ])
  })

  it('answers with the position on a durable channel', async () => {
    expect(await call('publish', { channel: 'order:1', data: 1, type: 'Placed' })).toEqual({
      result: { offset: 1, epoch: 'e1' },
    })
    expect(router.asked).toEqual([{ channel: 'order:1', data: '1', type: 'Placed' }])
  })

  it.each([
    ['no channel', { data: 1 }, 107, /channel: /],
    ['an empty channel', { channel: '', data: 1 }, 107, /channel: /],
    ['a channel that is no text', { channel: 5, data: 1 }, 107, /channel: .*string/],
    ['no data', { channel: 'room:1' }, 107, /data: expected a JSON value/],
    ['base64 of no JSON', { channel: 'room:1', b64data: 'eyI=' }, 107, /b64data: /],
    ['what is no base64', { channel: 'room:1', b64data: '%' }, 107, /b64data: /],
    ['tags that are no texts', { channel: 'room:1', data: 1, tags: { a: 1 } }, 107, /tags\.a: /],
    ['a version', { channel: 'room:1', data: 1, version: 3 }, 107, /version: /],
    ['an unknown namespace', { channel: 'other:1', data: 1 }, 102, /unknown channel: .*other:1/],
    ['a list', [], 107, /body: expected an object/],
    ['broken JSON', '{"channel":', 107, /body: expected JSON/],
    ['bytes that are no UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 107, /UTF-8/],
  ])('says what is wrong with %s', async (_, params, code, message) => {
    expect(await call('publish', params)).toEqual(fault(code, message))
    expect(router.asked).toEqual([])
  })

  it('refuses a body over the limit', async () => {
    const { status, body } = await post('/api/publish', { channel: 'room:1', data: 'x'.repeat(1_100_000) })
    expect([status, body]).toEqual([413, fault(107, /too large/)])
  })
})

describe('broadcast', () => {
  it('answers for each channel, in order', async () => {
    expect(await call('broadcast', { channels: ['order:1', 'other:1', 'room:1'], data: { a: 1 } })).toEqual({
      result: { responses: [{ result: { offset: 1, epoch: 'e1' } }, fault(102, /other:1/), { result: {} }] },
    })
  })

  it('gives events of different channels different ids of one key, always the same ones', async () => {
    const channels = ['order:1', 'order:2', 'room:1']
    const ids = async (idempotency_key: string) => {
      router.asked.length = 0
      await call('broadcast', { channels, data: 1, idempotency_key })
      return router.asked.map(asked => asked['idempotencyKey'])
    }
    for (const given of ['a key', uuid]) {
      const first = await ids(given)
      expect(new Set(first).size).toBe(3)
      expect(first[2]).toBe(given)
      expect(await ids(given)).toEqual(first)
    }
  })

  it('refuses no channels', async () => {
    expect(await call('broadcast', { channels: [], data: 1 })).toEqual(fault(107, /channels: /))
    const many = Array.from({ length: 10_000 }, (_, i) => `room:${i}`)
    const large = 'x'.repeat(6_800)
    expect(await call('broadcast', { channels: many, data: large })).toEqual(fault(107, /fewer at a time/))
  })
})

describe('append', () => {
  it('records an event once for one id or key, and says where', async () => {
    const event = { channel: 'order:1', type: 'Placed', data: { n: 1 } }
    const first = await call('append', { ...event, id: uuid })
    expect(first).toEqual({ result: { offset: 1, epoch: 'e1', id: uuid, time: 5, duplicate: false } })
    expect(await call('append', { ...event, id: uuid })).toMatchObject({
      result: { offset: 1, duplicate: true },
    })
    const keyed = await call('append', { ...event, idempotency_key: 'order-77' })
    expect(keyed).toMatchObject({ result: { offset: 2, duplicate: false } })
    expect(await call('append', { ...event, idempotency_key: 'order-77' })).toMatchObject({
      result: { offset: 2, duplicate: true },
    })
    expect(await call('append', { ...event, channel: 'order:2', idempotency_key: 'order-77' })).toMatchObject(
      {
        result: { offset: 1, duplicate: false },
      },
    )
    expect(await call('append', event)).toMatchObject({ result: { offset: 3 } })
  })

  it('looks at the head where it is asked to', async () => {
    const event = { channel: 'order:1', type: 'Placed', data: 1 }
    expect(await call('append', { ...event, expectedOffset: 0 })).toMatchObject({ result: { offset: 1 } })
    expect(await call('append', { ...event, expectedOffset: 0 })).toEqual(fault(409, /head is 1/))
  })

  it.each([
    ['on a realtime channel', { channel: 'room:1', type: 'T', data: 1 }, 108, /not available/],
    ['without a type', { channel: 'order:1', data: 1 }, 107, /type: /],
    ['without data', { channel: 'order:1', type: 'T' }, 107, /data: /],
    ['with an id that is no UUID', { channel: 'order:1', type: 'T', data: 1, id: 'x' }, 107, /id: /],
    ['with two ids', { channel: 'order:1', type: 'T', data: 1, id: uuid, idempotency_key: 'k' }, 107, /id: /],
    [
      'with a misspelt condition',
      { channel: 'order:1', type: 'T', data: 1, expected_offset: 3 },
      107,
      /expected_offset/,
    ],
    [
      'with a negative condition',
      { channel: 'order:1', type: 'T', data: 1, expectedOffset: -1 },
      107,
      /expectedOffset/,
    ],
  ])('is refused %s', async (_, params, code, message) => {
    expect(await call('append', params)).toEqual(fault(code, message))
  })

  it('fails for now without telling why while the ledger is away', async () => {
    router.failing = new HoldfastError('DEPENDENCY_TIMEOUT', 'postgres at 10.0.0.7 did not answer')
    const answer = await call('append', { channel: 'order:1', type: 'T', data: 1 })
    expect(answer).toEqual({ error: { code: 100, message: 'internal server error' } })
  })
})

describe('methods on sessions', () => {
  beforeEach(() => {
    sessions.add('c1', 'ann')
    remoteSessions.add('c2', 'ann')
    remoteSessions.add('c3', 'bob')
  })

  it('subscribe, with infos as they came', async () => {
    const params =
      '{"user":"ann","channel":"room:1","info":{"n": 1.0},"data":[ 1 ],"recover_since":{"offset":3}}'
    expect(await call('subscribe', params)).toEqual({ result: {} })
    const told = '"room:1" {"info":"{\\"n\\": 1.0}","data":"[ 1 ]","recover":{"offset":3,"epoch":""}}'
    expect(sessions.done).toEqual([`subscribe c1 ${told}`])
    expect(remoteSessions.done).toEqual([`subscribe c2 ${told}`])
  })

  it('unsubscribe', async () => {
    expect(await call('unsubscribe', { user: 'ann', channel: 'room:1' })).toEqual({ result: {} })
    expect(
      await call('unsubscribe', { client: 'c3', channel: 'room:1', code: 2500, reason: 'again' }),
    ).toEqual({
      result: {},
    })
    expect(sessions.done).toEqual(['unsubscribe c1 "room:1" 2000 "server unsubscribe"'])
    expect(remoteSessions.done).toEqual([
      'unsubscribe c2 "room:1" 2000 "server unsubscribe"',
      'unsubscribe c3 "room:1" 2500 "again"',
    ])
  })

  it('disconnect', async () => {
    expect(await call('disconnect', { user: 'ann', whitelist: ['c1'] })).toEqual({ result: {} })
    expect(
      await call('disconnect', { user: '', session: 'c3', disconnect: { code: 4000, reason: 'bye' } }),
    ).toEqual({
      result: {},
    })
    expect(sessions.done).toEqual([])
    expect(remoteSessions.done).toEqual(['disconnect c2 3503 "force disconnect"', 'disconnect c3 4000 "bye"'])
  })

  it('refresh', async () => {
    expect(await call('refresh', { user: 'ann', expire_at: 2_000_000_000 })).toEqual({ result: {} })
    expect(await call('refresh', { client: 'c3', expired: true })).toEqual({ result: {} })
    expect(sessions.done).toEqual(['refresh c1 {"expired":false,"expireAt":2000000000}'])
    expect(remoteSessions.done.at(-1)).toBe('refresh c3 {"expired":true}')
  })

  it.each([
    ['disconnect', {}, 107, /user: /],
    ['disconnect', { user: '' }, 107, /user: /],
    ['disconnect', { user: 'ann', code: 1000 }, 107, /code: /],
    ['disconnect', { user: 'ann', whitelist: 'c1' }, 107, /whitelist: /],
    ['unsubscribe', { user: 'ann' }, 107, /channel: /],
    ['unsubscribe', { user: 'ann', channel: 'other:1' }, 102, /other:1/],
    ['unsubscribe', { user: 'ann', channel: 'room:1', code: 10 }, 107, /code: /],
    ['subscribe', { channel: 'room:1' }, 107, /user: /],
    ['subscribe', { user: 'ann', channel: 'other:1' }, 102, /other:1/],
    ['subscribe', { user: 'ann', channel: 'room:1', expire_at: 2_000_000_000 }, 107, /expire_at: /],
    ['refresh', { user: 'ann' }, 107, /expire_at: /],
  ])('%s %j is refused', async (method, params, code, message) => {
    expect(await call(method, params)).toEqual(fault(code, message))
    expect([...sessions.done, ...remoteSessions.done]).toEqual([])
  })

  it('fail with the reason of the session on another node', async () => {
    remoteSessions.add('c4', 'eve', new HoldfastError('LIMIT_EXCEEDED', 'too many channels'))
    expect(await call('subscribe', { user: 'eve', channel: 'room:1' })).toEqual(fault(106, /limit exceeded/))
  })
})

describe('reading methods', () => {
  it('presence and presence_stats', async () => {
    router.present.set('c1', { client: 'c1', user: 'ann', connInfo: '{"n": 1.0}' })
    router.present.set('c2', { client: 'c2', user: 'ann' })
    const { text } = await post('/api/presence', { channel: 'room:1' })
    const first = '"c1":{"user":"ann","client":"c1","conn_info":{"n": 1.0}}'
    expect(text).toBe(`{"result":{"presence":{${first},"c2":{"user":"ann","client":"c2"}}}}`)
    expect(await call('presence_stats', { channel: 'room:1' })).toEqual({
      result: { num_clients: 2, num_users: 1 },
    })
    expect(await call('presence', { channel: 'order:1' })).toEqual(fault(108, /not available/))
    expect(await call('presence_stats', { channel: 'order:1' })).toEqual(fault(108, /not available/))
  })

  it('history', async () => {
    for (let n = 1; n <= 3; n++) {
      await call('append', `{"channel":"order:1","type":"T","data":{"n": ${n}.0},"idempotency_key":"k${n}"}`)
    }
    const { text } = await post('/api/history', {
      channel: 'order:1',
      limit: 1,
      since: { offset: 1, epoch: 'e1' },
    })
    expect(text).toContain('{"result":{"publications":[{"data":{"n": 2.0},"offset":2,"tags":')
    expect(text).toContain('"epoch":"e1","offset":3}}')
    expect(await call('history', { channel: 'order:1' })).toEqual({
      result: { publications: [], epoch: 'e1', offset: 3 },
    })
    await call('history', { channel: 'order:1', limit: -1, reverse: true })
    expect(router.asked.at(-1)).toEqual({ channel: 'order:1', limit: 10_000, reverse: true })
    const lost = { channel: 'order:1', since: { offset: 1, epoch: 'old' } }
    expect(await call('history', lost)).toEqual(fault(112, /unrecoverable position/))
    expect(await call('history', { channel: 'order:1', since: { offset: -1 } })).toEqual(
      fault(107, /since\.offset/),
    )
  })

  it('channels', async () => {
    router.subscribers = new Map([
      ['room:1', 1],
      ['order:1', 2],
    ])
    // Both nodes of this test have the same router.
    expect(await call('channels', {})).toEqual({
      result: { channels: { 'room:1': { num_clients: 2 }, 'order:1': { num_clients: 4 } } },
    })
    expect(await call('channels', { pattern: 'room:*' })).toEqual({
      result: { channels: { 'room:1': { num_clients: 2 } } },
    })
  })

  it('info, of all nodes, with or without a body', async () => {
    const answer = (await call('info', '')) as { result: { nodes: { name: string }[] } }
    expect(answer.result.nodes.map(node => node.name).sort()).toEqual(['node a', 'node b'])
  })
})

describe('the shape of requests and answers', () => {
  it('takes the method in the body as well', async () => {
    const body = '{"method":"publish","params":{"channel":"room:1","data":{"n":1.0}}}'
    expect(await post('/api', body)).toMatchObject({ status: 200, body: { result: {} } })
    expect(router.asked).toEqual([{ channel: 'room:1', data: '{"n":1.0}' }])
    expect((await post('/api', { method: 'info' })).status).toBe(200)
    expect((await post('/api', { params: {} })).body).toEqual(fault(107, /method: /))
    expect((await post('/api', '{')).body).toEqual(fault(107, /expected JSON/))
    expect((await post('/api', { method: 'publish', params: 7 })).body).toEqual(fault(107, /params: /))
  })

  it('answers 404 for methods that do not exist', async () => {
    expect(await post('/api/nothing', {})).toMatchObject({
      status: 404,
      body: fault(104, /method not found/),
    })
    for (const method of ['nothing', 'constructor', '__proto__']) {
      expect(await post('/api', { method })).toMatchObject({
        status: 404,
        body: fault(104, /method not found/),
      })
    }
    expect((await fetch(`${base}/api/info`)).status).toBe(404)
    expect((await fetch(`${base}/elsewhere`)).status).toBe(404)
  })

  it('puts errors into HTTP statuses for those who ask for it', async () => {
    const headers = { 'x-api-key': key, 'x-centrifugo-error-mode': 'transport' }
    const statusFor = async (method: string, params: unknown) =>
      (await post(`/api/${method}`, params, headers)).status
    expect(await post('/api/publish', { channel: 'other:1', data: 1 }, headers)).toMatchObject({
      status: 404,
      body: { code: 102, message: expect.any(String) },
    })
    expect(await statusFor('publish', {})).toBe(400)
    expect(await statusFor('presence', { channel: 'order:1' })).toBe(400)
    expect(await statusFor('history', { channel: 'order:1', since: { offset: 1, epoch: 'x' } })).toBe(416)
    expect(await statusFor('append', { channel: 'order:1', type: 'T', data: 1, expectedOffset: 9 })).toBe(409)
    router.failing = new HoldfastError('DEPENDENCY_FAILED', 'away')
    expect(await statusFor('publish', { channel: 'room:1', data: 1 })).toBe(500)
    expect(await statusFor('info', {})).toBe(200)
  })

  it('never shows what broke inside', async () => {
    router.failing = new TypeError('cannot read properties of secret')
    const { status, text } = await post('/api/publish', { channel: 'room:1', data: 1 })
    expect([status, text]).toEqual([200, '{"error":{"code":100,"message":"internal server error"}}'])
  })

  it('takes any content type from those who have the key', async () => {
    const headers = { 'x-api-key': key, 'content-type': 'application/x-www-form-urlencoded' }
    expect((await post('/api/publish', { channel: 'room:1', data: 1 }, headers)).status).toBe(200)
    const untyped = await fetch(`${base}/api/publish`, {
      method: 'POST',
      headers: { 'x-api-key': key },
      body: new TextEncoder().encode('{"channel":"room:1","data":1}'),
    })
    expect(await untyped.json()).toEqual({ result: {} })
  })
})

describe('health endpoints', () => {
  const get = async (path: string) => {
    const response = await fetch(`${base}${path}`)
    return { status: response.status, body: (await response.json()) as unknown }
  }

  it('say that the process lives, and whether it can serve', async () => {
    expect(await get('/health/live')).toEqual({ status: 200, body: { status: 'live' } })
    expect(await get('/health/ready')).toMatchObject({
      status: 200,
      body: { status: 'ready', degraded: false },
    })
    router.state = { ...router.state, bus: 'unreachable' }
    expect(await get('/health')).toMatchObject({ status: 200, body: { status: 'degraded', degraded: true } })
    router.state = { ...router.state, durable: { ...router.state.durable, ledger: 'unreachable' } }
    expect(await get('/health/ready')).toMatchObject({
      status: 503,
      body: { status: 'unavailable', parts: { ledger: 'unreachable', bus: 'unreachable' } },
    })
    expect((await get('/health/live')).status).toBe(200)
  })

  it('turn traffic away while the node drains', async () => {
    draining = true
    expect(await get('/health')).toMatchObject({ status: 503, body: { parts: { draining: true } } })
  })
})
