import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { get as askSecurely, createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { z } from 'zod'
import { selfSigned } from '../../test/support/certificate.ts'
import { freshDatabase } from '../../test/support/database.ts'
import { FrameClient } from '../../test/support/frame-client.ts'
import { ownPrefix } from '../../test/support/realtime-nodes.ts'
import { until } from '../../test/support/until.ts'
import { type Contract, defineContract } from '../contract/index.ts'
import { HoldfastError } from '../domain/index.ts'
import { createHoldfast } from './holdfast.ts'
import type { Holdfast, HoldfastOptions } from './types.ts'

const everyone = ['anonymous'] as const
const all = {
  subscribe: [...everyone],
  publish: [...everyone],
  append: [...everyone],
  presence: [...everyone],
  history: [...everyone],
}
const never = () => new Promise<never>(() => undefined)
const broken = () => {
  throw new TypeError('a fault of the application')
}

let database: Awaited<ReturnType<typeof freshDatabase>>
const ends: (() => unknown)[] = []
beforeAll(async () => {
  database = await freshDatabase(inject('postgresUrl'))
  return () => database.drop()
})
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function node<const C extends Contract>(options: HoldfastOptions<C> = {}): Promise<Holdfast<C>> {
  const hf = await createHoldfast<C>({
    http: { host: '127.0.0.1', port: 0 },
    redis: { url: inject('redisUrl'), prefix: ownPrefix() },
    postgres: { url: database.url, migrate: true, poolSize: 2 },
    namespaces: {
      room: { tier: 'realtime', presence: true, history: { size: 10, ttlSeconds: 60 }, allow: all },
      order: { tier: 'durable', presence: true, allow: all },
    },
    auth: { allowAnonymous: true },
    api: { key: 'key' },
    limits: { hookTimeoutMs: 300, drainTimeoutMs: 1_000 },
    log: { level: 'silent' },
    ...options,
  })
  ends.push(() => hf.close())
  return hf
}

async function listening(hf: { listen(): Promise<{ port: number }> }): Promise<string> {
  const { port } = await hf.listen()
  return `ws://127.0.0.1:${port}/connection/websocket`
}

async function connected(url: string, token = ''): Promise<FrameClient> {
  const client = await FrameClient.connected(url, token)
  ends.push(() => client.close())
  return client
}

let numbered = 1
async function ask(client: FrameClient, command: object): Promise<Record<string, unknown>> {
  const id = ++numbered
  client.send({ id, ...command })
  return client.expectReply(id)
}
const append = (channel: string, data: unknown, type = 'T') => ({
  rpc: { method: 'holdfast.append', data: { channel, type, data } },
})
const signal = (channel: string, data: unknown) => ({
  rpc: { method: 'holdfast.signal', data: { channel, data, echo: true } },
})
const temporary = { code: 100, message: 'internal server error', temporary: true }

describe('the application’s authenticate', () => {
  it('says who a connection is, from its token, headers and cookies', async () => {
    const hf = await node()
    hf.authenticate(({ token, headers, cookies }) => ({
      user: `${token}/${headers['x-app']}/${cookies['session']}`,
      info: { name: 'Ann' },
      channels: ['room:own'],
    }))
    const url = await listening(hf)
    const client = await FrameClient.open(url, { headers: { 'X-App': 'a', Cookie: 'session=b%20c' } })
    ends.push(() => client.close())
    client.send({ id: 1, connect: { token: 't' } })
    expect(await client.expectReply(1)).toMatchObject({ connect: { subs: { 'room:own': {} } } })
    const [info] = (await hf.presence('room:own')).values()
    expect(info).toMatchObject({ user: 't/a/b c', connInfo: '{"name":"Ann"}' })
  })

  it.each([
    ['that throws', broken, temporary],
    ['that hangs', never, temporary],
    ['that answers with what is no identity', () => ({ name: 'Ann' }) as never, temporary],
    [
      'that finds the token too old',
      () => {
        throw new HoldfastError('TOKEN_EXPIRED', 'too old')
      },
      { code: 109 },
    ],
  ])('%s is answered as an error, and holds up nobody else', async (_, hook, error) => {
    const hf = await node()
    hf.authenticate(call => (call.token === 'bad' ? hook() : { user: call.token }))
    const url = await listening(hf)
    const bad = await FrameClient.open(url)
    ends.push(() => bad.close())
    bad.send({ id: 1, connect: { token: 'bad' } })
    await connected(url, 'good')
    expect((await bad.expectReply(1)).error).toMatchObject(error)
  })

  it('that refuses ends the connection', async () => {
    const hf = await node()
    const url = await listening(hf)
    for (const [code, ended] of [
      ['NOT_AUTHENTICATED', 3501],
      ['TOKEN_INVALID', 3500],
    ] as const) {
      hf.authenticate(() => {
        throw new HoldfastError(code, 'no')
      })
      const client = await FrameClient.open(url)
      client.send({ id: 1, connect: { token: 't' } })
      expect((await client.ended()).code).toBe(ended)
    }
  })
})

describe('the application’s authorize', () => {
  const actions = (channel: string): [string, object][] => [
    ['subscribe', { subscribe: { channel } }],
    ['publish', { publish: { channel, data: 1 } }],
    ['publish', signal(channel, 1)],
    ['append', append(channel, 1)],
    ['presence', { presence: { channel } }],
    ['presence', { presence_stats: { channel } }],
    ['history', { history: { channel, limit: 1 } }],
  ]

  it('is asked for each action with the parameters of its pattern, and decides in place of the lists', async () => {
    const hf = await node()
    const calls: unknown[] = []
    hf.authenticate(({ token }) => ({ user: token }))
    hf.authorize('order:{id}:{part}', ({ user, channel, params, action }) => {
      calls.push([user, channel, params.id, params.part, action])
      return params.part === 'open'
    })
    const client = await connected(await listening(hf), 'ann')
    for (const [action, command] of actions('order:7:shut').filter(([, each]) => !isSignal(each))) {
      expect((await ask(client, command))['error'], action).toMatchObject({ code: 103 })
    }
    expect(calls).toEqual(
      ['subscribe', 'publish', 'append', 'presence', 'presence', 'history'].map(action => [
        'ann',
        'order:7:shut',
        '7',
        'shut',
        action,
      ]),
    )
    for (const [action, command] of actions('order:7:open').filter(([, each]) => !isSignal(each))) {
      expect((await ask(client, command))['error'], action).toBeUndefined()
    }
  })

  it.each([
    ['throws', broken],
    ['hangs', never],
    ['answers with something else', () => 'yes' as never],
  ])('that %s refuses for now, and other channels of the connection go on meanwhile', async (_, hook) => {
    const hf = await node()
    hf.authorize('room:bad', hook)
    hf.authorize('order:bad', hook)
    const client = await connected(await listening(hf))
    for (const channel of ['room:bad', 'order:bad']) {
      const commands = actions(channel).filter(
        ([action, each]) => !(channel === 'room:bad' ? action === 'append' : isSignal(each)),
      )
      const ids = commands.map(([, command]) => {
        client.send({ id: ++numbered, ...command })
        return numbered
      })
      const later = ++numbered
      client.send({ id: later, publish: { channel: 'room:good', data: 1 } })
      const replies = new Map<number, Record<string, unknown>>()
      while (replies.size < ids.length + 1) {
        const line = await client.next()
        if (typeof line['id'] === 'number') replies.set(line['id'], line)
      }
      expect(replies.get(later)).toEqual({ id: later, publish: {} })
      for (const id of ids) expect(replies.get(id)?.['error']).toEqual(temporary)
    }
    // Nothing of what was refused has happened.
    expect((await hf.history('order:bad')).offset).toBe(0)
    expect((await hf.presence('room:bad')).size).toBe(0)
  })

  it('may say more than yes', async () => {
    const hf = await node()
    const expireAt = Math.floor(Date.now() / 1000) + 100
    hf.authorize('room:{room}', () => ({ info: { role: 'guest' }, data: { topic: 'tea' }, expireAt }))
    const client = await connected(await listening(hf))
    expect(await ask(client, { subscribe: { channel: 'room:1' } })).toMatchObject({
      subscribe: { data: { topic: 'tea' }, expires: true, ttl: expect.any(Number) },
    })
    await ask(client, { publish: { channel: 'room:1', data: 1 } })
    expect((await client.expectPush('pub'))['pub']).toMatchObject({ info: { chan_info: { role: 'guest' } } })
  })
})

describe('the application’s rpc and onPublish', () => {
  it('answer, refuse, fail and hang without harm', async () => {
    const hf = await node()
    hf.authenticate(({ token }) => ({ user: token }))
    const cyclic: Record<string, unknown> = {}
    cyclic['self'] = cyclic
    hf.rpc('echo', ({ user, method, data }) => ({ user, method, data }))
    hf.rpc('nothing', () => undefined)
    hf.rpc('refuse', () => {
      throw new HoldfastError('RATE_LIMITED', 'slow down')
    })
    hf.rpc('broken', broken)
    hf.rpc('hang', never)
    hf.rpc('bigint', () => 1n)
    hf.rpc('cyclic', () => cyclic)
    const client = await connected(await listening(hf), 'ann')
    const call = (method: string, data?: unknown) => ask(client, { rpc: { method, data } })
    expect(await call('echo', [1])).toMatchObject({
      rpc: { data: { user: 'ann', method: 'echo', data: [1] } },
    })
    expect(await call('nothing')).toMatchObject({ rpc: {} })
    expect((await call('refuse'))['error']).toMatchObject({ code: 111, temporary: true })
    for (const method of ['broken', 'hang', 'bigint', 'cyclic']) {
      expect((await call(method))['error'], method).toEqual(temporary)
    }
    expect((await call('unknown'))['error']).toMatchObject({ code: 104 })
    expect(() => hf.rpc('holdfast.mine', () => 1)).toThrow(/holdfast\./)
    expect(() => hf.rpc('echo', () => 1)).toThrow(/twice/)
    for (const pattern of ['room:{a', 'room:a}', 'room:{}', 'room:*:a', '{a}:{a}']) {
      expect(() => hf.onPublish(pattern, () => 1), pattern).toThrow(/channel pattern/)
    }
  })

  it('see, change or refuse what clients publish, append and signal, with the type of an event', async () => {
    const hf = await node()
    const seen: unknown[] = []
    hf.onPublish('{kind}:{id}', ({ params, type, data }) => {
      seen.push([params.kind, params.id, type, data])
      if (data === 'secret') throw new HoldfastError('NOT_PERMITTED', 'not that')
      if (data === 'broken') broken()
      if (data === 'hang') return never()
      return data === 'as it is' ? undefined : { wrapped: data }
    })
    const client = await connected(await listening(hf))
    await ask(client, { subscribe: { channel: 'room:1' } })
    await ask(client, { subscribe: { channel: 'order:1' } })
    for (const command of [
      { publish: { channel: 'room:1', data: 'a' } },
      signal('room:1', 'b'),
      append('order:1', 'c', 'Said'),
      { publish: { channel: 'order:1', data: 'as it is' } },
    ]) {
      expect((await ask(client, command))['error']).toBeUndefined()
    }
    const data = []
    for (let n = 0; n < 4; n++) data.push(((await client.expectPush('pub'))['pub'] as { data: unknown }).data)
    expect(new Set(data)).toEqual(new Set([{ wrapped: 'a' }, { wrapped: 'b' }, { wrapped: 'c' }, 'as it is']))
    expect(seen).toEqual([
      ['room', '1', undefined, 'a'],
      ['room', '1', undefined, 'b'],
      ['order', '1', 'Said', 'c'],
      ['order', '1', undefined, 'as it is'],
    ])
    for (const command of [append('order:1', 'secret'), { publish: { channel: 'room:1', data: 'secret' } }]) {
      expect((await ask(client, command))['error']).toMatchObject({ code: 103 })
    }
    for (const data of ['broken', 'hang']) {
      for (const command of [append('order:1', data), signal('room:1', data)])
        expect((await ask(client, command))['error'], data).toEqual(temporary)
    }
    expect((await hf.history('order:1')).offset).toBe(2)
    // The server's own publications are its own affair.
    await hf.publish('room:1', 'from the server')
    expect((await client.expectPush('pub'))['pub']).toMatchObject({ data: 'from the server' })
  })
})

describe('a contract', () => {
  const contract = defineContract({
    'order:{id}': {
      Placed: z.object({ lines: z.int() }),
      Late: z.string().refine(async text => text !== 'bad'),
    },
    'room:{room}': z.object({ typing: z.boolean() }),
  })

  it('holds for clients, for the HTTP API and for the server itself', async () => {
    const hf = await node({ contract })
    const url = await listening(hf)
    const client = await connected(url)
    const cases: [object, boolean][] = [
      [append('order:contract', { lines: 1 }, 'Placed'), true],
      [append('order:contract', { lines: 1.5 }, 'Placed'), false],
      [append('order:contract', {}, 'Placed'), false],
      [append('order:contract', { lines: 1 }, 'Unknown'), false],
      [append('order:contract', 1, '__proto__'), false],
      [append('order:contract', 'good', 'Late'), true],
      [append('order:contract', 'bad', 'Late'), false],
      [{ publish: { channel: 'order:contract', data: { lines: 1 } } }, false],
      [{ publish: { channel: 'room:1', data: { typing: true } } }, true],
      [{ publish: { channel: 'room:1', data: { typing: 'yes' } } }, false],
      [signal('room:1', { typing: true }), true],
      [signal('room:1', { typing: 'yes' }), false],
      [{ publish: { channel: 'room:1:more', data: 'not described' } }, true],
    ]
    for (const [command, good] of cases) {
      const { error } = await ask(client, command)
      expect([command, (error as { code?: number } | undefined)?.code]).toEqual([
        command,
        good ? undefined : 107,
      ])
    }
    const api = async (method: string, body: object) => {
      const response = await fetch(`http://${new URL(url).host}/api/${method}`, {
        method: 'POST',
        headers: { 'x-api-key': 'key', 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      return (await response.json()) as { error?: { code: number }; result?: { responses?: unknown[] } }
    }
    const bad = { typing: 1 }
    expect((await api('publish', { channel: 'room:1', data: bad })).error?.code).toBe(107)
    expect((await api('append', { channel: 'order:contract', type: 'Placed', data: {} })).error?.code).toBe(
      107,
    )
    expect(
      (await api('broadcast', { channels: ['room:1', 'room:1:2'], data: bad })).result?.responses,
    ).toEqual([
      { error: { code: 107, message: expect.stringContaining('typing') } },
      { result: expect.anything() },
    ])
    // @ts-expect-error the compiler knows the contract too
    await expect(hf.append('order:contract', 'Placed', {})).rejects.toMatchObject({ code: 'PAYLOAD_INVALID' })
    // @ts-expect-error and which channels there are
    const elsewhere = hf.publish('nowhere:1', {})
    await expect(elsewhere).rejects.toMatchObject({ code: 'CHANNEL_UNKNOWN' })
    await hf.append('order:contract', 'Placed', { lines: 2 })
    expect((await hf.history('order:contract')).publications.map(each => each.data)).toEqual([
      { lines: 1 },
      'good',
      { lines: 2 },
    ])
  })

  it('with a broken pattern, like a key that cannot be read, is refused before anything is opened', async () => {
    const before = connections()
    const bad = { 'order:{id}:{id}': z.string() }
    await expect(node({ contract: bad })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    const auth = { token: { publicKey: 'nonsense' } }
    await expect(node({ auth })).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    expect(connections()).toBe(before)
  })
})

describe('beside an application’s own server', () => {
  it('serves its paths, leaves all others alone, and leaves the server to go on without it', async () => {
    // What Express, Connect and their like are to Node: a function of request and response.
    const app = Object.assign((request: { url?: string }, response: { end(text: string): void }) => {
      response.end(`mine: ${request.url}`)
    })
    const server = createServer(app)
    const hf = await node()
    hf.attach(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    ends.push(() => server.close())
    const { port } = server.address() as AddressInfo
    const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text()
    expect(await get('/api-of-mine')).toBe('mine: /api-of-mine')
    expect(await get('/health/live')).toBe('{"status":"live"}')
    const client = await connected(`ws://127.0.0.1:${port}/connection/websocket`)
    expect(await ask(client, { publish: { channel: 'order:attached', data: 1 } })).toMatchObject({
      publish: {},
    })
    await hf.close()
    expect(await client.ended()).toEqual({ code: 3001, reason: 'shutdown' })
    expect(await get('/health/live')).toBe('mine: /health/live')
  })

  it('that speaks TLS has canaries as well, which tell how long its certificate is valid', async () => {
    const server = createSecureServer(selfSigned('shop.example'))
    const hf = await node({ http: { metrics: true }, prober: { enabled: true, intervalMs: 1_000 } })
    hf.attach(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    ends.push(() => server.close())
    const { port } = server.address() as AddressInfo
    const scrape = async () => {
      const asked = askSecurely(`https://127.0.0.1:${port}/metrics`, { rejectUnauthorized: false })
      const [answer] = (await once(asked, 'response')) as [IncomingMessage]
      return text(answer)
    }
    const pattern = /^holdfast_certificate_expiry\{dependency="listener"\} (\d+)/m
    const [, seconds] = await until('its canary has seen it', async () => pattern.exec(await scrape()))
    // As `selfSigned` has it.
    const end = Date.parse('2099-01-01T00:00:00Z')
    expect(Math.abs(Date.now() + 1_000 * Number(seconds) - end)).toBeLessThan(600_000)
  })
})

describe('a node', () => {
  it('says that its port is taken, and can still be closed', async () => {
    const other = createServer()
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    ends.push(() => other.close())
    const { port } = other.address() as AddressInfo
    const hf = await node({ http: { host: '127.0.0.1', port } })
    await expect(hf.listen()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `port ${port} on 127.0.0.1 is taken by another program; set HOLDFAST_PORT to choose another`,
    })
    await hf.close()
  })

  it('closes once, and afterwards refuses instead of hanging', async () => {
    const hf = await node()
    await hf.listen()
    expect(hf.close()).toBe(hf.close())
    await hf.close()
    expect(() => hf.listen()).toThrow(/closed/)
    await expect(hf.append('order:1', 'T', {})).rejects.toBeInstanceOf(HoldfastError)
    await expect(hf.history('order:1')).rejects.toBeInstanceOf(HoldfastError)
  })

  it('takes what JSON can say and refuses the rest', async () => {
    const hf = await node()
    for (const data of [undefined, () => 1, 1n, Symbol('s')]) {
      await expect(hf.publish('room:1', data)).rejects.toMatchObject({ code: 'PAYLOAD_INVALID' })
      await expect(hf.append('order:json', 'T', data)).rejects.toMatchObject({ code: 'PAYLOAD_INVALID' })
    }
    const values = [null, false, 0, '', [], {}, 'ü\u0000\ud800']
    for (const data of values) await hf.append('order:json', 'T', data)
    expect((await hf.history('order:json')).publications.map(each => each.data)).toEqual(values)
  })
})

function isSignal(command: object): boolean {
  return JSON.stringify(command).includes('holdfast.signal')
}

/** Open sockets of this process. */
function connections(): number {
  return process.getActiveResourcesInfo().filter(kind => kind === 'TCPSocketWrap').length
}
