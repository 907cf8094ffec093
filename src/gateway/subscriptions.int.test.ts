import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FrameClient } from '../../test/support/frame-client.ts'
import { type Stage, stageSecret, startStage } from '../../test/support/gateway-stage.ts'
import { until } from '../../test/support/until.ts'
import { Lane, Packet } from '../hub/index.ts'
import { pushPublication } from '../protocol/index.ts'
import { createToken } from './auth/create-token.ts'

const token = (request: Parameters<typeof createToken>[1]) =>
  createToken({ hmacSecret: stageSecret }, request)

describe('subscriptions of a session', () => {
  let stage: Stage
  beforeEach(async () => {
    stage = await startStage({ config: { auth: { personalNamespace: 'personal' } } })
  })
  afterEach(() => stage.close())

  const connected = (jwt?: string) => FrameClient.connected(stage.url, jwt)
  /** Nobody listens, nobody is present: nothing was left behind. */
  const nothingLeft = async () => {
    const { realtime, durable } = stage
    await until('nobody is held back', () => realtime.subscribing.waiting + durable.subscribing.waiting === 0)
    await new Promise(resolve => setImmediate(resolve))
    await until('all traces are gone', () => {
      const listening = realtime.channels().size + durable.channels().size
      return listening + realtime.known.size + realtime.present.size + durable.outlets.size === 0
    })
  }

  it.each(['open:room', 'fact:room'])('tell others in %s of presence, joins and leaves', async channel => {
    const ann = await connected(await token({ user: 'ann', info: { name: 'Ann' } }))
    ann.send({ id: 2, subscribe: { channel } })
    await ann.expectReply(2)
    const annInfo = { user: 'ann', client: ann.id, conn_info: { name: 'Ann' } }
    expect(await ann.expectPush('join')).toEqual({ channel, join: { info: annInfo } })
    const bob = await connected(await token({ user: 'bob' }))
    bob.send(
      { id: 2, subscribe: { channel } },
      { id: 3, presence: { channel } },
      { id: 4, presence_stats: { channel } },
    )
    await bob.expectReply(2)
    const bobInfo = { user: 'bob', client: bob.id }
    expect(await ann.expectPush('join')).toEqual({ channel, join: { info: bobInfo } })
    const presence = { [ann.id]: annInfo, [bob.id]: bobInfo }
    expect(await bob.expectReply(3)).toEqual({ id: 3, presence: { presence } })
    expect(await bob.expectReply(4)).toEqual({ id: 4, presence_stats: { num_clients: 2, num_users: 2 } })
    bob.send({ id: 5, unsubscribe: { channel } })
    await bob.expectReply(5)
    expect(await ann.expectPush('leave')).toEqual({ channel, leave: { info: bobInfo } })
    bob.send({ id: 6, subscribe: { channel } })
    await bob.expectReply(6)
    await ann.expectPush('join')
    bob.close()
    expect(await ann.expectPush('leave')).toEqual({ channel, leave: { info: bobInfo } })
    ann.close()
    await nothingLeft()
  })

  it('leave nothing behind when the connection ends while they are made', async () => {
    const client = await connected()
    stage.realtime.subscribing.close()
    stage.durable.subscribing.close()
    client.send({ id: 2, subscribe: { channel: 'open:a' } }, { id: 3, subscribe: { channel: 'fact:a' } })
    await until(
      'both are being made',
      () => stage.realtime.subscribing.waiting + stage.durable.subscribing.waiting === 3,
    )
    client.close()
    await until('the session has ended', () => stage.sockets.sessions.size === 0)
    stage.realtime.subscribing.open()
    stage.durable.subscribing.open()
    await nothingLeft()
  })

  it('end by an unsubscribe that comes while they are made, and can be made again', async () => {
    const client = await connected()
    stage.realtime.subscribing.close()
    client.send(
      { id: 2, subscribe: { channel: 'open:a' } },
      { id: 3, unsubscribe: { channel: 'open:a' } },
      { id: 4, subscribe: { channel: 'open:a' } },
      { id: 5, subscribe: { channel: 'open:a' } },
    )
    await until('it is being made', () => stage.realtime.subscribing.waiting === 1)
    stage.realtime.subscribing.open()
    for (const id of [2, 3, 4]) expect((await client.expectReply(id)).error).toBeUndefined()
    expect(await client.expectError(5)).toBe(105)
    expect(stage.realtime.channels()).toEqual(new Map([['open:a', 1]]))
    client.send(
      { id: 6, publish: { channel: 'open:a', data: 'once' } },
      { id: 7, unsubscribe: { channel: 'open:a' } },
    )
    await client.expectReply(6)
    await client.expectReply(7)
    expect(client.untaken.filter(line => line.includes('once')).length).toBeLessThanOrEqual(1)
    await nothingLeft()
    client.close()
  })

  it('that the server ends while they are made are refused, and leave nothing behind', async () => {
    const client = await connected()
    stage.realtime.subscribing.close()
    client.send({ id: 2, subscribe: { channel: 'open:a' } })
    await until('it is being made', () => stage.realtime.subscribing.waiting === 1)
    stage.sockets.sessions.get(client.id)?.unsubscribe('open:a', 2000, 'server unsubscribe')
    await client.expectPush('unsubscribe')
    stage.realtime.subscribing.open()
    expect(await client.expectError(2)).toBe(103)
    await nothingLeft()
    client.close()
  })

  it('stand in the reply before anything the channel delivers, also when that waits for its turn', async () => {
    const client = await connected()
    stage.durable.committing.close()
    client.send(
      { id: 2, rpc: { method: 'holdfast.append', data: { channel: 'fact:slow', type: 'T', data: 1 } } },
      { id: 3, subscribe: { channel: 'quiet:a' } },
    )
    await until('it is made', () => stage.realtime.channels().has('quiet:a'))
    await stage.realtime.publish({ channel: 'quiet:a', data: '"held"' })
    const kinds: string[] = []
    while (kinds.length < 2) {
      const line = await client.next()
      kinds.push('push' in line ? 'push' : `reply ${line['id']}`)
    }
    expect(kinds).toEqual(['reply 3', 'push'])
    stage.durable.committing.open()
    await client.expectReply(2)
    client.close()
  })

  it('do not hold their reply back when much is delivered before it', async () => {
    const client = await connected()
    stage.durable.committing.close()
    client.send(
      { id: 2, rpc: { method: 'holdfast.append', data: { channel: 'fact:slow', type: 'T', data: 1 } } },
      { id: 3, subscribe: { channel: 'quiet:a' } },
    )
    await until('it is made', () => stage.realtime.channels().has('quiet:a'))
    const data = JSON.stringify('x'.repeat(100_000))
    for (let i = 0; i < 4; i++) await stage.realtime.publish({ channel: 'quiet:a', data })
    await client.expectReply(3)
    for (let i = 0; i < 4; i++) await client.expectPush('pub')
    stage.durable.committing.open()
    await client.expectReply(2)
    client.close()
  })

  it('of the server come with the connect reply and are live behind it', async () => {
    await stage.durable.append({ channel: 'fact:news', type: 'T', data: '"old"' })
    await stage.durable.append({ channel: 'fact:news', type: 'T', data: '"missed"' })
    const jwt = await token({ user: 'ann', channels: ['fact:news', 'quiet:all'] })
    const client = await FrameClient.open(stage.url)
    const subs = { 'fact:news': { recover: true, offset: 1, epoch: 'ledger' } }
    client.send(
      { id: 1, connect: { token: jwt, subs } },
      { id: 2, publish: { channel: 'quiet:all', data: 'hello' } },
    )
    const reply = (await client.expectReply(1)) as unknown as { connect: { subs: Record<string, unknown> } }
    expect(Object.keys(reply.connect.subs).sort()).toEqual(['fact:news', 'personal:#ann', 'quiet:all'])
    expect(reply.connect.subs['fact:news']).toMatchObject({
      recovered: true,
      offset: 1,
      publications: [{ data: 'missed', offset: 2 }],
    })
    expect((await client.expectPush('pub'))['pub']).toMatchObject({ data: 'hello' })
    await client.expectReply(2)
    expect(stage.realtime.present.get('personal:#ann')?.size).toBe(1)
    await stage.realtime.publish({ channel: 'personal:#ann', data: '"for you"' })
    expect(await client.expectPush('pub')).toEqual({ channel: 'personal:#ann', pub: { data: 'for you' } })
    client.close()
    await nothingLeft()
  })

  it('of the server that cannot be made make no connection', async () => {
    const client = await FrameClient.open(stage.url)
    client.send({
      id: 1,
      connect: { token: await token({ user: 'ann', channels: ['quiet:a', 'nowhere:b'] }) },
    })
    expect(await client.expectError(1)).toBe(102)
    expect(stage.sockets.sessions.size).toBe(0)
    await nothingLeft()
    client.close()
  })

  it('that lose their place are made again by the client, or with the connection', async () => {
    const own = await connected(await token({ user: 'ann' }))
    own.send({ id: 2, subscribe: { channel: 'fact:a' } })
    await own.expectReply(2)
    stage.durable.outlets.get(own.id)?.endSubscription('fact:a', 2500, 'insufficient state')
    expect(await own.expectPush('unsubscribe')).toMatchObject({ unsubscribe: { code: 2500 } })
    const served = await connected(await token({ user: 'bob', channels: ['fact:a'] }))
    stage.durable.outlets.get(served.id)?.endSubscription('fact:a', 2500, 'insufficient state')
    expect(await served.ended()).toEqual({ code: 3010, reason: 'insufficient state' })
    own.close()
  })

  it('are answered before the client hears that they have lost their place: SDKs ignore it before', async () => {
    const client = await connected()
    stage.durable.committing.close()
    client.send(
      { id: 2, rpc: { method: 'holdfast.append', data: { channel: 'fact:slow', type: 'T', data: 1 } } },
      { id: 3, subscribe: { channel: 'quiet:a' } },
    )
    const outlet = await until('it waits for its turn to be answered', () =>
      stage.realtime.rooms.of('quiet:a').get(client.id),
    )
    outlet.endSubscription('quiet:a', 2500, 'insufficient state')
    const kinds: string[] = []
    while (kinds.length < 2) {
      const line = await client.next()
      kinds.push('push' in line ? 'unsubscribe' : `reply ${line['id']}`)
    }
    expect(kinds).toEqual(['reply 3', 'unsubscribe'])
    stage.durable.committing.open()
    await client.expectReply(2)
    client.close()
  })

  it('that lose their place while they are made are asked for again', async () => {
    const client = await connected()
    const { subscribe } = stage.realtime
    stage.realtime.subscribe = async request => {
      const subscription = await subscribe.call(stage.realtime, request)
      const end = () => request.outlet.endSubscription(request.channel, 2500, 'insufficient state')
      return { ...subscription, join: end }
    }
    client.send({ id: 2, subscribe: { channel: 'open:a' } })
    expect(await client.expectError(2)).toBe(100)
    stage.realtime.subscribe = subscribe
    client.send({ id: 3, subscribe: { channel: 'open:a' } })
    expect((await client.expectReply(3)).error).toBeUndefined()
    expect(client.untaken.filter(line => line.includes('unsubscribe'))).toEqual([])
    client.close()
  })

  it('that have ended deliver nothing to the next one of the same channel', async () => {
    const client = await connected()
    client.send({ id: 2, subscribe: { channel: 'fact:a' } })
    await client.expectReply(2)
    const old = stage.durable.outlets.get(client.id)
    client.send({ id: 3, unsubscribe: { channel: 'fact:a' } }, { id: 4, subscribe: { channel: 'fact:a' } })
    await client.expectReply(3)
    await client.expectReply(4)
    expect(old?.closed).toBe(true)
    old?.push(Lane.durable, Packet.of([pushPublication('fact:a', '{"data":"stale"}')]))
    old?.endSubscription('fact:a', 2500, 'insufficient state')
    await stage.durable.append({ channel: 'fact:a', type: 'T', data: '"fresh"' })
    expect((await client.expectPush('pub'))['pub']).toMatchObject({ data: 'fresh' })
    client.close()
  })

  it('let go of a replay that waits for them when they end', async () => {
    const client = await connected()
    client.send({ id: 2, subscribe: { channel: 'fact:a' } })
    await client.expectReply(2)
    const outlet = stage.durable.outlets.get(client.id)
    outlet?.push(Lane.replay, Packet.of(['{}']))
    await outlet?.replayRoom()
    client.close()
    await until('the session has ended', () => outlet?.closed)
    await outlet?.replayRoom()
  })
})

describe('a slow consumer', () => {
  it('is cut at its bound with 3008 while others get everything', async () => {
    const maxMailboxBytes = 200_000
    const stage = await startStage({ config: { limits: { maxMailboxBytes } } })
    const [slow, quick] = [await FrameClient.connected(stage.url), await FrameClient.connected(stage.url)]
    for (const client of [slow, quick]) {
      client.send({ id: 2, subscribe: { channel: 'quiet:flood' } })
      await client.expectReply(2)
    }
    slow.stopReading()
    const data = JSON.stringify('x'.repeat(20_000))
    let sent = 0
    let received = 0
    await until('the slow one has been cut', async () => {
      for (let i = 0; i < 20; i++) await stage.realtime.publish({ channel: 'quiet:flood', data })
      sent += 20
      for (; received < sent; received++) await quick.expectPush('pub')
      return stage.realtime.channels().get('quiet:flood') === 1
    })
    slow.readAgain()
    expect(await slow.ended()).toEqual({ code: 3008, reason: 'slow' })
    await stage.realtime.publish({ channel: 'quiet:flood', data: '"last"' })
    expect((await quick.expectPush('pub'))['pub']).toEqual({ data: 'last' })
    quick.send({ id: 3, presence_stats: { channel: 'open:a' } })
    await quick.expectReply(3)
    quick.close()
    await stage.close()
  })
})
