import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FrameClient } from '../../test/support/frame-client.ts'
import { type Stage, stageSecret, startStage } from '../../test/support/gateway-stage.ts'
import { createToken } from './auth/create-token.ts'

/** A connection or channel token of the stage. */
const token = (request: Parameters<typeof createToken>[1]) =>
  createToken({ hmacSecret: stageSecret }, request)

describe('the rules of the protocol', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage({ config: { limits: { maxFrameBytes: 4_096, maxChannelsPerConnection: 4 } } })
  })
  afterAll(() => stage.close())

  const opened = () => FrameClient.open(stage.url)
  const connected = (jwt?: string) => FrameClient.connected(stage.url, jwt)

  it('answers connect with the client, the ping interval and nothing that is empty', async () => {
    const client = await opened()
    client.send({ id: 5, connect: {} })
    const text = await client.nextText()
    expect(text).toMatch(
      /^\{"id":5,"connect":\{"client":"[0-9a-f-]{36}","version":"test","ping":25,"pong":true\}\}$/,
    )
    client.close()
  })

  it.each([
    ['broken JSON', '{"id":1,'],
    ['an empty frame', ''],
    ['a publish', '{"id":1,"publish":{"channel":"open:a","data":1}}'],
    ['an answer to no ping', '{}'],
    ['an unknown method', '{"id":1,"dance":{}}'],
    ['a command without id', '{"connect":{}}'],
    ['a command behind a broken one', '{"id":1,"connect":{}}\n{"id":2,"rpc":'],
  ])('ends with 3501 a connection that begins with %s', async (_, frame) => {
    const client = await opened()
    client.sendText(frame)
    expect((await client.ended()).code).toBe(3501)
  })

  it.each([
    ['a second connect', '{"id":2,"connect":{}}', 3501],
    ['broken JSON', 'hello', 3501],
    ['an answer to no ping', '{}', 3501],
    ["the client's own ping", '{"id":2,"ping":{}}', 3501],
    ['a subscribe without channel', '{"id":2,"subscribe":{}}', 3501],
    ['a refresh without token', '{"id":2,"refresh":{}}', 3501],
    ['a refresh with a bad token', '{"id":2,"refresh":{"token":"x.y.z"}}', 3500],
    ['a message', '{"send":{"data":1}}', 3508],
  ])('ends after the connect a connection that sends %s', async (_, frame, code) => {
    const client = await connected()
    client.sendText(frame)
    expect((await client.ended()).code).toBe(code)
  })

  it('says in the reason what was wrong', async () => {
    const client = await connected()
    client.sendText('{"id":2,"publish":{"channel":"open:a"}}')
    expect(await client.ended()).toEqual({ code: 3501, reason: 'bad request: data is missing' })
  })

  it('does nothing of a frame that has a mistake', async () => {
    const [sender, listener] = [await connected(), await connected()]
    listener.send({ id: 2, subscribe: { channel: 'quiet:whole' } })
    await listener.expectReply(2)
    sender.sendText('{"id":2,"publish":{"channel":"quiet:whole","data":"half"}}\n{"id":')
    await sender.ended()
    listener.send({ id: 3, publish: { channel: 'quiet:whole', data: 'marker' } })
    expect((await listener.expectPush('pub'))['pub']).toMatchObject({ data: 'marker' })
    listener.close()
  })

  it('ends with 1009 a frame above the limit, and takes one below it', async () => {
    const client = await connected()
    client.send({ id: 2, publish: { channel: 'quiet:a', data: 'x'.repeat(3_900) } })
    await client.expectReply(2)
    client.send({ id: 3, publish: { channel: 'quiet:a', data: 'x'.repeat(4_100) } })
    expect((await client.ended()).code).toBe(1009)
  })

  it('ends with 3506 what asks for Protobuf or sends bytes', async () => {
    for (const open of [
      FrameClient.open(stage.url, { protocols: ['centrifuge-protobuf'] }),
      FrameClient.open(`${stage.url}?format=protobuf`),
      FrameClient.open(`${stage.url}?cf_protocol=protobuf`),
    ]) {
      expect((await (await open).ended()).code).toBe(3506)
    }
    const client = await opened()
    client.sendBinary(new Uint8Array([1, 2, 3]))
    expect((await client.ended()).code).toBe(3506)
    const json = await FrameClient.open(stage.url, { protocols: ['centrifuge-json'] })
    json.send({ id: 1, connect: {} })
    await json.expectReply(1)
    json.close()
  })

  it('answers a frame of several commands with one frame, replies in order', async () => {
    const client = await opened()
    client.send(
      { id: 1, connect: {} },
      { id: 2, subscribe: { channel: 'fact:many' } },
      { id: 3, publish: { channel: 'quiet:many', data: 1 } },
      { id: 4, rpc: { method: 'holdfast.append', data: { channel: 'fact:many', type: 'T', data: {} } } },
      { id: 5, presence_stats: { channel: 'open:many' } },
      { id: 6, unsubscribe: { channel: 'open:many' } },
    )
    const ids: unknown[] = []
    while (ids.length < 6) {
      const line = await client.next()
      if ('id' in line) ids.push(line['id'])
    }
    expect(ids).toEqual([1, 2, 3, 4, 5, 6])
    expect(client.frames).toBeLessThan(6)
    client.close()
  })

  it('carries data to subscribers byte for byte', async () => {
    const client = await connected()
    const data = '{"n":1.0, "big":12345678901234567890,"n":2,"s":"\\u00e9\\/" }'
    client.sendText(
      `{"id":2,"subscribe":{"channel":"quiet:raw"}}\n{"id":3,"publish":{"channel":"quiet:raw","data":${data}}}`,
    )
    await client.expectReply(2)
    const rest = [await client.nextText(), await client.nextText()]
    expect(rest.find(line => line.includes('push'))).toBe(
      `{"push":{"channel":"quiet:raw","pub":{"data":${data},"info":{"client":"${client.id}"}}}}`,
    )
    client.close()
  })

  it('refuses with a reply what is not there or not allowed', async () => {
    const client = await connected()
    const cases: [object, number][] = [
      [{ subscribe: { channel: 'nowhere:a' } }, 102],
      [{ subscribe: { channel: 'shut:a' } }, 103],
      [{ publish: { channel: 'shut:a', data: 1 } }, 103],
      [{ presence: { channel: 'shut:a' } }, 103],
      [{ history: { channel: 'shut:a' } }, 103],
      [{ rpc: { method: 'holdfast.append', data: { channel: 'shut:a', type: 'T', data: 1 } } }, 108],
      [{ rpc: { method: 'holdfast.signal', data: { channel: 'shut:a', data: 1 } } }, 103],
      [{ rpc: { method: 'holdfast.signal', data: { channel: 'fact:a', data: 1 } } }, 108],
      [{ rpc: { method: 'holdfast.signal', data: { channel: 'open:a', data: 1, to: {} } } }, 107],
      [{ rpc: { method: 'holdfast.append', data: { channel: 'fact:a', data: 1 } } }, 107],
      [{ rpc: { method: 'holdfast.append', data: 5 } }, 107],
      [{ rpc: { method: 'holdfast.append' } }, 107],
      [{ rpc: { method: 'holdfast.cursor', data: { channel: 'fact:a' } } }, 107],
      [{ rpc: { method: 'holdfast.cursor', data: { channel: 'open:a', cursor: 'c' } } }, 108],
      [{ rpc: { method: 'holdfast.ack', data: { channel: 'fact:a', cursor: 'c' } } }, 107],
      [{ rpc: { method: 'holdfast.ack', data: { channel: 'fact:a', cursor: 'c', offset: 1 } } }, 108],
      [{ rpc: { method: 'holdfast.unknown', data: {} } }, 104],
      [{ rpc: { method: 'unknown' } }, 104],
      [{ presence: { channel: 'quiet:a' } }, 108],
      [{ history: { channel: 'quiet:a' } }, 108],
      [{ history: { channel: 'open:a', reverse: true, since: { epoch: 'e' } } }, 107],
      [{ subscribe: { channel: 'open:with space' } }, 107],
      [{ subscribe: { channel: `open:${'x'.repeat(300)}` } }, 107],
      [{ subscribe: { channel: 'open:a', tf: { op: '' } } }, 107],
      [{ subscribe: { channel: 'open:a', type: 1 } }, 108],
      [{ sub_refresh: { channel: 'open:a', token: 't' } }, 103],
    ]
    for (const [i, [command, code]] of cases.entries()) {
      client.send({ id: i + 2, ...command })
      expect([command, await client.expectError(i + 2)]).toEqual([command, code])
    }
    client.close()
  })

  it('refuses a second subscription with 105 and one too many with 106', async () => {
    const client = await connected()
    for (let i = 0; i < 4; i++) client.send({ id: 10 + i, subscribe: { channel: `quiet:${i}` } })
    for (let i = 0; i < 4; i++) expect((await client.expectReply(10 + i)).error).toBeUndefined()
    client.send({ id: 20, subscribe: { channel: 'quiet:0' } }, { id: 21, subscribe: { channel: 'quiet:4' } })
    expect(await client.expectError(20)).toBe(105)
    expect(await client.expectError(21)).toBe(106)
    client.send(
      { id: 22, unsubscribe: { channel: 'quiet:0' } },
      { id: 23, subscribe: { channel: 'quiet:4' } },
    )
    await client.expectReply(22)
    expect((await client.expectReply(23)).error).toBeUndefined()
    client.close()
  })

  it('clamps the length of history, and gives the position alone for limit 0', async () => {
    const client = await connected()
    for (let i = 0; i < 3; i++) await stage.durable.append({ channel: 'fact:long', type: 'T', data: `${i}` })
    client.send(
      { id: 2, history: { channel: 'fact:long' } },
      { id: 3, history: { channel: 'fact:long', limit: -1 } },
    )
    expect(await client.expectReply(2)).toEqual({ id: 2, history: { offset: 3, epoch: 'ledger' } })
    const { history } = (await client.expectReply(3)) as unknown as { history: { publications: unknown[] } }
    expect(history.publications).toHaveLength(3)
    client.close()
  })

  it('gives 112 instead of a subscription without its past, where the client wants that', async () => {
    const client = await connected()
    client.send({
      id: 2,
      subscribe: { channel: 'fact:lost', recover: true, offset: 99, epoch: 'ledger', flag: 2 },
    })
    expect(await client.expectError(2)).toBe(112)
    expect(stage.durable.channels().has('fact:lost')).toBe(false)
    client.send({ id: 3, subscribe: { channel: 'fact:lost', recover: true, offset: 99, epoch: 'ledger' } })
    expect(await client.expectReply(3)).toMatchObject({
      subscribe: { was_recovering: true, recoverable: true },
    })
    client.close()
  })

  it('refuses an expired token with 109 and a forged one with 3500', async () => {
    const expired = await new SignJWT()
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('ann')
      .setExpirationTime(new Date(Date.now() - 60_000))
      .sign(new TextEncoder().encode(stageSecret))
    const client = await opened()
    client.send({ id: 1, connect: { token: expired } }, { id: 2, subscribe: { channel: 'open:a' } })
    expect(await client.expectError(1)).toBe(109)
    client.send({ id: 3, connect: { token: expired } })
    expect((await client.ended()).code).toBe(3501)
    const forger = await opened()
    forger.send({ id: 1, connect: { token: await createToken({ hmacSecret: 'other' }, { user: 'ann' }) } })
    expect((await forger.ended()).code).toBe(3500)
  })

  it('takes channel tokens, and refuses those of others', async () => {
    const ann = await connected(await token({ user: 'ann' }))
    ann.send({ id: 2, subscribe: { channel: 'members:a' } })
    expect(await ann.expectError(2)).toBe(103)
    const good = await token({ user: 'ann', channel: 'members:a', info: { role: 'x' }, ttlSeconds: 100 })
    ann.send({ id: 3, subscribe: { channel: 'members:a', token: good } })
    expect(await ann.expectReply(3)).toMatchObject({ subscribe: { expires: true, ttl: expect.any(Number) } })
    ann.send({ id: 4, publish: { channel: 'members:a', data: 1 } })
    await ann.expectReply(4)
    expect((await ann.expectPush('pub'))['pub']).toMatchObject({
      info: { user: 'ann', chan_info: { role: 'x' } },
    })
    ann.send({ id: 5, sub_refresh: { channel: 'members:a', token: good } })
    expect(await ann.expectReply(5)).toMatchObject({ sub_refresh: { expires: true } })
    ann.send({ id: 6, sub_refresh: { channel: 'members:a' } })
    expect(await ann.expectError(6)).toBe(107)
    ann.send({
      id: 7,
      subscribe: { channel: 'members:b', token: await token({ user: 'bob', channel: 'members:b' }) },
    })
    expect((await ann.ended()).code).toBe(3500)
  })

  it('answers 108 on durable channels where there is no Postgres', async () => {
    const bare = await startStage({ withoutDurable: true })
    const client = await FrameClient.connected(bare.url)
    client.send(
      { id: 2, subscribe: { channel: 'fact:a' } },
      { id: 3, publish: { channel: 'fact:a', data: 1 } },
      { id: 4, history: { channel: 'fact:a', limit: 1 } },
      { id: 5, subscribe: { channel: 'open:a' } },
    )
    expect([await client.expectError(2), await client.expectError(3), await client.expectError(4)]).toEqual([
      108, 108, 108,
    ])
    expect((await client.expectReply(5)).error).toBeUndefined()
    client.close()
    await bare.close()
  })

  it('lets pages of its own and of allowed origins in, and no others', async () => {
    const guarded = await startStage({ config: { auth: { allowedOrigins: ['https://app.example'] } } })
    const host = new URL(guarded.url).host
    const status = (origin: string) =>
      FrameClient.open(guarded.url, { headers: { Origin: origin } }).then(
        client => {
          client.close()
          return 'open'
        },
        (error: Error) => error.message,
      )
    expect(await status('https://app.example')).toBe('open')
    expect(await status(`http://${host}`)).toBe('open')
    expect(await status('https://evil.example')).toContain('403')
    expect(await status('null')).toContain('403')
    await guarded.close()
  })
})
