import { afterEach, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { FrameClient } from '../../test/support/frame-client.ts'
import { type Stage, type StageOptions, stageSecret, startStage } from '../../test/support/gateway-stage.ts'
import { until } from '../../test/support/until.ts'
import { HoldfastError } from '../domain/index.ts'
import { createToken } from './auth/create-token.ts'

const token = (request: Parameters<typeof createToken>[1]) =>
  createToken({ hmacSecret: stageSecret }, request)
const append = (channel: string, data: unknown, more: object = {}) => ({
  rpc: { method: 'holdfast.append', data: { channel, type: 'T', data, ...more } },
})
const signal = (channel: string, data: unknown, more: object = {}) => ({
  rpc: { method: 'holdfast.signal', data: { channel, data, ...more } },
})

describe('a session', () => {
  let stage: Stage
  afterEach(() => stage.close())
  const start = async (options: StageOptions = {}) => {
    stage = await startStage(options)
    return stage
  }
  const connected = (jwt?: string) => FrameClient.connected(stage.url, jwt)

  it('lets appends overlap, and replies in the order of the commands', async () => {
    await start()
    const client = await connected()
    stage.durable.committing.close()
    client.send(
      { id: 2, ...append('fact:a', 1) },
      { id: 3, ...append('fact:a', 2) },
      { id: 4, publish: { channel: 'fact:a', data: 3 } },
      { id: 5, ...append('fact:b', 4) },
      { id: 6, ...append('fact:a', 5) },
    )
    await until('all appends are under way', () => stage.durable.committing.waiting === 5)
    stage.durable.committing.open()
    for (const id of [2, 3, 4, 5, 6]) expect((await client.expectReply(id)).error).toBeUndefined()
    expect(stage.durable.events.get('fact:a')?.map(line => JSON.parse(line).data)).toEqual([1, 2, 3, 5])
    client.close()
  })

  it('delivers a signal while an append before it hangs, and soon answers what comes after it', async () => {
    await start()
    const client = await connected()
    client.send({ id: 2, subscribe: { channel: 'quiet:a' } })
    await client.expectReply(2)
    stage.durable.committing.close()
    client.send({ id: 3, ...append('fact:a', 1) }, { id: 4, publish: { channel: 'quiet:a', data: 'now' } })
    expect((await client.expectPush('pub'))['pub']).toMatchObject({ data: 'now' })
    await client.expectReply(4)
    stage.durable.committing.open()
    expect(await client.expectReply(3)).toMatchObject({ rpc: { data: { offset: 1 } } })
    client.close()
  })

  it('answers with a temporary error what outlasts the limit, and says nothing later', async () => {
    await start({
      config: { limits: { hookTimeoutMs: 60 } },
      rpc: { hang: () => new Promise(() => undefined) },
    })
    const client = await connected()
    stage.durable.committing.close()
    stage.realtime.subscribing.close()
    client.send(
      { id: 2, rpc: { method: 'hang' } },
      { id: 3, ...append('fact:a', 1) },
      { id: 4, subscribe: { channel: 'quiet:a' } },
    )
    for (const id of [2, 3, 4]) {
      expect((await client.expectReply(id)).error).toEqual({
        code: 100,
        message: 'internal server error',
        temporary: true,
      })
    }
    stage.durable.committing.open()
    stage.realtime.subscribing.open()
    client.send({ id: 5, presence_stats: { channel: 'open:a' } })
    await client.expectReply(5)
    expect(client.untaken).toEqual([])
    expect(stage.realtime.channels().size).toBe(0)
    client.close()
  })

  it('passes the answers, refusals and faults of application code on', async () => {
    await start({
      rpc: {
        sum: ({ data, user }) => ({ sum: (data as number[]).reduce((a, b) => a + b), user }),
        nothing: () => undefined,
        refuse: () => {
          throw new HoldfastError('NOT_PERMITTED', 'secret reason')
        },
        fail: () => {
          throw new Error('secret')
        },
        circular: () => {
          const value: Record<string, unknown> = {}
          value['self'] = value
          return value
        },
      },
    })
    const client = await connected(await token({ user: 'ann' }))
    client.send(
      { id: 2, rpc: { method: 'sum', data: [1, 2, 3] } },
      { id: 3, rpc: { method: 'nothing' } },
      { id: 4, rpc: { method: 'refuse' } },
      { id: 5, rpc: { method: 'fail' } },
      { id: 6, rpc: { method: 'circular' } },
    )
    expect(await client.expectReply(2)).toEqual({ id: 2, rpc: { data: { sum: 6, user: 'ann' } } })
    expect(await client.expectReply(3)).toEqual({ id: 3, rpc: {} })
    expect((await client.expectReply(4)).error).toEqual({ code: 103, message: 'permission denied' })
    expect((await client.expectReply(5)).error?.message).toBe('internal server error')
    expect(await client.expectError(6)).toBe(100)
    client.close()
  })

  it('lets the application change, refuse or pass what clients say, in each of the three ways', async () => {
    await start({
      onPublish: ({ data, type }) => {
        if (data === 'bad') throw new HoldfastError('PAYLOAD_INVALID', 'no bad words')
        return data === 'plain' ? undefined : { checked: data, type }
      },
    })
    const [client, other] = [await connected(), await connected()]
    other.send({ id: 2, subscribe: { channel: 'quiet:a' } }, { id: 3, subscribe: { channel: 'fact:a' } })
    await other.expectReply(2)
    await other.expectReply(3)
    const ways = [
      (data: string) => ({ publish: { channel: 'quiet:a', data } }),
      (data: string) => signal('quiet:a', data),
      (data: string) => append('fact:a', data),
    ]
    let id = 10
    for (const [way, say] of ways.entries()) {
      client.send({ id, ...say('plain') }, { id: id + 1, ...say('x') }, { id: id + 2, ...say('bad') })
      expect((await client.expectReply(id)).error).toBeUndefined()
      expect((await client.expectReply(id + 1)).error).toBeUndefined()
      expect((await client.expectReply(id + 2)).error).toEqual({
        code: 107,
        message: 'bad request: no bad words',
      })
      expect((await other.expectPush('pub'))['pub']).toMatchObject({ data: 'plain' })
      const checked = way === 2 ? { checked: 'x', type: 'T' } : { checked: 'x' }
      expect(((await other.expectPush('pub'))['pub'] as { data: unknown }).data).toEqual(checked)
      id += 3
    }
    client.close()
    other.close()
  })

  it('sends a signal to one client, to one user, or to all but the sender', async () => {
    await start()
    const ann = [
      await connected(await token({ user: 'ann' })),
      await connected(await token({ user: 'ann' })),
    ] as const
    const bob = await connected(await token({ user: 'bob' }))
    const all = [...ann, bob]
    for (const client of all) {
      client.send({ id: 2, subscribe: { channel: 'quiet:s' } })
      await client.expectReply(2)
    }
    const said: [object, FrameClient[]][] = [
      [signal('quiet:s', 'to bob', { to: { client: bob.id } }), [bob]],
      [signal('quiet:s', 'to ann', { to: { user: 'ann' } }), [ann[1]]],
      [signal('quiet:s', 'to ann and me', { to: { user: 'ann' }, echo: true }), [...ann]],
      [signal('quiet:s', 'to others'), [ann[1], bob]],
      [signal('quiet:s', 'to all', { echo: true }), all],
    ]
    const expected = new Map<FrameClient, string[]>(all.map(client => [client, []]))
    for (const [i, [command, receivers]] of said.entries()) {
      ann[0].send({ id: 10 + i, ...command })
      expect((await ann[0].expectReply(10 + i)).error).toBeUndefined()
      const { data } = (command as { rpc: { data: { data: string } } }).rpc.data
      for (const client of receivers) expected.get(client)?.push(data)
    }
    for (const client of all) {
      const got: unknown[] = []
      while (got.at(-1) !== 'to all') {
        const { pub } = (await client.expectPush('pub')) as unknown as {
          pub: { data: unknown; info: unknown }
        }
        expect(pub.info).toEqual({ user: 'ann', client: ann[0].id })
        got.push(pub.data)
      }
      expect(got).toEqual(expected.get(client))
      client.close()
    }
  })

  it('pings, and ends with 3012 who does not answer', async () => {
    await start({ config: { limits: { pingIntervalMs: 1_000, pongTimeoutMs: 500 } } })
    const [lively, dead] = [await connected(), await connected()]
    const answering = (async () => {
      for (let i = 0; i < 2; i++) {
        await lively.expectPing()
        lively.sendText('{}')
      }
    })()
    await dead.expectPing()
    expect(await dead.ended()).toEqual({ code: 3012, reason: 'no pong' })
    await answering
    lively.send({ id: 2, presence_stats: { channel: 'open:a' } })
    await lively.expectReply(2)
    lively.sendText('{}')
    lively.sendText('{}')
    expect((await lively.ended()).code).toBe(3501)
  })

  it('ends with 3502 who does not connect in time', async () => {
    await start({ config: { limits: { connectTimeoutMs: 500 } } })
    const silent = await FrameClient.open(stage.url)
    const patient = await connected()
    expect(await silent.ended()).toEqual({ code: 3502, reason: 'stale' })
    patient.send({ id: 2, presence_stats: { channel: 'open:a' } })
    await patient.expectReply(2)
    patient.close()
  })

  it('ends with 3005 who does not refresh, and keeps who does', async () => {
    await start({ config: { limits: { expiryGraceMs: 0 } } })
    const short = await token({ user: 'ann', ttlSeconds: 4 })
    const [lazy, careful] = [await connected(short), await connected(short)]
    careful.send({ id: 2, refresh: { token: await token({ user: 'ann', ttlSeconds: 100 }) } })
    const reply = (await careful.expectReply(2)) as unknown as { refresh: { expires: boolean; ttl: number } }
    expect(reply.refresh.expires).toBe(true)
    expect(reply.refresh.ttl).toBeGreaterThan(90)
    expect(await lazy.ended()).toEqual({ code: 3005, reason: 'connection expired' })
    careful.send({ id: 3, refresh: { token: await token({ user: 'bob' }) } })
    expect((await careful.ended()).code).toBe(3500)
  })

  it('keeps who is there when the clock of the machine jumps by an hour, forward or back', async () => {
    await start({ config: { limits: { expiryGraceMs: 0, connectTimeoutMs: 500, pingIntervalMs: 1_000 } } })
    const channel = 'members:a'
    const client = await connected(await token({ user: 'ann', ttlSeconds: 100 }))
    const channelToken = await token({ user: 'ann', channel, ttlSeconds: 100 })
    client.send({ id: 2, subscribe: { channel, token: channelToken } })
    await client.expectReply(2)
    for (const hours of [1, -1]) {
      const now = Date.now
      vi.spyOn(Date, 'now').mockImplementation(() => now() + hours * 3_600_000)
      client.takeAll()
      // A ping means that a tick has found nothing to end.
      await client.expectPing()
      client.sendText('{}')
      client.send({ id: 3, presence_stats: { channel } })
      await client.expectReply(3)
      vi.restoreAllMocks()
    }
    expect(client.untaken.filter(line => line.includes('unsubscribe'))).toEqual([])
    client.close()
  })

  it('unsubscribes with 2501 a subscription whose token has expired', async () => {
    await start({ config: { limits: { expiryGraceMs: 0 } } })
    const client = await connected(await token({ user: 'ann' }))
    const channel = 'members:a'
    client.send({
      id: 2,
      // Times in tokens are whole seconds: of three, two are left at the least.
      subscribe: { channel, token: await token({ user: 'ann', channel, ttlSeconds: 3 }) },
    })
    expect((await client.expectReply(2)).error).toBeUndefined()
    expect(await client.expectPush('unsubscribe')).toEqual({
      channel,
      unsubscribe: { code: 2501, reason: 'subscription expired' },
    })
    expect(stage.realtime.channels().size).toBe(0)
    client.close()
  })

  it('can be ended, unsubscribed, subscribed and refreshed from the server', async () => {
    await start()
    const client = await connected(await token({ user: 'ann' }))
    client.send({ id: 2, subscribe: { channel: 'quiet:a' } })
    await client.expectReply(2)
    const handle = stage.sockets.sessions.get(client.id)
    if (!handle) throw new Error('the session is not known')
    expect([...stage.sockets.sessions.ofUser('ann')]).toEqual([handle])
    expect([...handle.channels()]).toEqual(['quiet:a'])
    handle.unsubscribe('quiet:a', 2000, 'server unsubscribe')
    expect(await client.expectPush('unsubscribe')).toMatchObject({ unsubscribe: { code: 2000 } })
    await stage.durable.append({ channel: 'fact:a', type: 'T', data: '1' })
    await stage.durable.append({ channel: 'fact:a', type: 'T', data: '2' })
    await handle.subscribe('fact:a', { data: '{"hello":1}', recover: { offset: 1, epoch: 'ledger' } })
    expect(await client.expectPush('subscribe')).toEqual({
      channel: 'fact:a',
      subscribe: { recoverable: true, positioned: true, epoch: 'ledger', offset: 1, data: { hello: 1 } },
    })
    await stage.durable.append({ channel: 'fact:a', type: 'T', data: '3' })
    expect((await client.expectPush('pub'))['pub']).toMatchObject({ data: 2 })
    expect((await client.expectPush('pub'))['pub']).toMatchObject({ data: 3 })
    await expect(handle.subscribe('fact:a', {})).rejects.toMatchObject({ code: 'ALREADY_SUBSCRIBED' })
    handle.refresh({ expireAt: Date.now() / 1000 + 100 })
    handle.disconnect(4_321, 'because')
    expect(await client.ended()).toEqual({ code: 4_321, reason: 'because' })
    expect(stage.sockets.sessions.size).toBe(0)
    expect(stage.sockets.sessions.userCount()).toBe(0)
  })

  it('is answered and told to come back elsewhere when the node stops', async () => {
    await start()
    const [busy, idle, silent] = [await connected(), await connected(), await FrameClient.open(stage.url)]
    stage.durable.committing.close()
    busy.send({ id: 2, ...append('fact:a', 1) })
    await until('the append is under way', () => stage.durable.committing.waiting === 1)
    const closing = stage.close()
    expect(await idle.ended()).toEqual({ code: 3001, reason: 'shutdown' })
    expect((await silent.ended()).code).toBe(3001)
    expect(await refusal(stage.url)).toEqual({ status: 503, retryAfter: '1' })
    stage.durable.committing.open()
    expect(await busy.expectReply(2)).toMatchObject({ rpc: { data: { offset: 1 } } })
    expect((await busy.ended()).code).toBe(3001)
    await closing
  })

  it('is cut when it does not end within the time a stopping node has', async () => {
    await start({ config: { limits: { drainTimeoutMs: 100 } } })
    const client = await connected()
    stage.durable.committing.close()
    client.send({ id: 2, ...append('fact:a', 1) })
    await until('the append is under way', () => stage.durable.committing.waiting === 1)
    await stage.close()
    expect((await client.ended()).code).toBe(1006)
    expect(stage.sockets.openSockets).toBe(0)
  })
})

/** With what a handshake is refused. */
function refusal(url: string): Promise<{ status: number | undefined; retryAfter: string | undefined }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    socket.on('unexpected-response', (_, response) => {
      resolve({ status: response.statusCode, retryAfter: response.headers['retry-after'] })
      socket.terminate()
    })
    socket.on('open', () => reject(new Error('it was taken')))
    socket.on('error', reject)
  })
}
