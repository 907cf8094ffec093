import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { FrameClient } from '../../test/support/frame-client.ts'
import { namespaces, type Stage, stageSecret, startStage } from '../../test/support/gateway-stage.ts'
import { until } from '../../test/support/until.ts'
import { type ConfigInput, parseConfig } from '../platform/index.ts'
import { createToken } from './auth/create-token.ts'
import type { LimitName } from './limit-counts.ts'

/** So slow that nothing comes back during a test: what passes is the burst, to the number. */
const burstOf = (burst: number) => ({ perSecond: 0.001, burst })

let stage: Stage
const clients: FrameClient[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  await stage.close()
})

async function start(
  limits: NonNullable<ConfigInput['limits']>,
  more: Partial<Parameters<typeof startStage>[0]> & ConfigInput = {},
) {
  const { rpc, onPublish, ...config } = more
  const options = { ...(rpc ? { rpc } : {}), ...(onPublish ? { onPublish } : {}) }
  stage = await startStage({ config: { ...config, limits }, ...options })
}

const tokenOf = (user: string) => createToken({ hmacSecret: stageSecret }, { user })
async function connected(user?: string): Promise<FrameClient> {
  const client = await FrameClient.connected(stage.url, user && (await tokenOf(user)))
  clients.push(client)
  return client
}
const limited = (limit: LimitName) => Object.fromEntries(stage.sockets.counts.limited.entries())[limit]
const presence = { presence: { channel: 'open:a' } }
const publish = (channel = 'quiet:a') => ({ publish: { channel, data: 1 } })
const signal = { rpc: { method: 'holdfast.signal', data: { channel: 'quiet:a', data: 1 } } }
const append = { rpc: { method: 'holdfast.append', data: { channel: 'fact:a', type: 'T', data: 1 } } }

/** Sends commands in one frame each and returns the code of each answer, 0 where it is no error. */
async function codesOf(client: FrameClient, commands: readonly object[], from = 10): Promise<number[]> {
  for (const [i, command] of commands.entries()) client.send({ id: from + i, ...command })
  const codes: number[] = []
  for (const i of commands.keys()) codes.push((await client.expectReply(from + i)).error?.code ?? 0)
  return codes
}
const times = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one)

describe('commands of a connection', () => {
  it('are answered up to the burst, then with the temporary error 111; a neighbour does not notice', async () => {
    await start({ rates: { connectionCommands: burstOf(5) } })
    const [loud, quiet] = [await connected('ann'), await connected('ann')]
    expect(await codesOf(loud, times(6, presence))).toEqual([0, 0, 0, 0, 0, 111])
    loud.send({ id: 50, ...presence })
    expect((await loud.expectReply(50)).error).toEqual({
      code: 111,
      message: 'too many requests: commands of this connection',
      temporary: true,
    })
    expect(await codesOf(quiet, times(5, presence))).toEqual(times(5, 0))
    expect(limited('connection_commands')).toBe(2)
  })

  it('come back with time', async () => {
    await start({ rates: { connectionCommands: { perSecond: 20, burst: 10 } } })
    const client = await connected()
    expect(await codesOf(client, times(50, presence))).toContain(111)
    let id = 100
    await until(
      'the bucket has something again',
      async () => (await codesOf(client, [presence], id++))[0] === 0,
    )
  })

  it('end it with 3013 after ten times as many refusals, and only it', async () => {
    await start({ rates: { connectionCommands: burstOf(3) } })
    const [flooding, quiet] = [await connected(), await connected()]
    expect(await codesOf(flooding, times(33, presence))).toEqual([...times(3, 0), ...times(30, 111)])
    flooding.send({ id: 99, ...presence })
    expect(await flooding.ended()).toEqual({ code: 3013, reason: 'too many requests' })
    expect(await codesOf(quiet, [presence])).toEqual([0])
    expect(stage.sockets.counts.ended.get('3013')).toBe(1)
  })

  it('do not stand in the way of a client that comes back to all its channels at once', async () => {
    await start({ maxChannelsPerConnection: 128, rates: { connectionCommands: burstOf(2) } })
    const client = await connected()
    client.send(
      ...Array.from({ length: 128 }, (_, i) => ({ id: 10 + i, subscribe: { channel: `quiet:${i}` } })),
    )
    for (let i = 0; i < 128; i++) expect((await client.expectReply(10 + i)).error).toBeUndefined()
    expect(await codesOf(client, times(3, presence), 200)).toEqual([0, 0, 111])
    // Nor may it go on subscribing and unsubscribing without end.
    const loop = times(4, { unsubscribe: { channel: 'quiet:0' } })
    expect(await codesOf(client, loop, 300)).toEqual([0, 0, 111, 111])
    expect(limited('connection_subscriptions')).toBe(2)
  })

  it('that were sent before the answer to connect count as well', async () => {
    await start({ rates: { connectionCommands: burstOf(2) } })
    const client = await FrameClient.open(stage.url)
    clients.push(client)
    client.send({ id: 1, connect: {} }, ...[2, 3, 4].map(id => ({ id, ...presence })))
    await client.expectReply(1)
    for (const id of [2, 3]) expect((await client.expectReply(id)).error).toBeUndefined()
    expect(await client.expectError(4)).toBe(111)
  })
})

describe('publications', () => {
  it('of a connection are limited apart from its other commands: publish, signal and append together', async () => {
    await start({ rates: { connectionPublications: burstOf(3) } })
    const [loud, quiet] = [await connected(), await connected()]
    const said = [publish(), signal, append, publish(), signal, append, presence]
    expect(await codesOf(loud, said)).toEqual([0, 0, 0, 111, 111, 111, 0])
    expect(await codesOf(quiet, [publish(), signal, append, publish()])).toEqual([0, 0, 0, 111])
    expect(stage.durable.events.get('fact:a')).toHaveLength(2)
  })

  it('of a user are limited over all its connections; another user, and strangers, do not notice', async () => {
    await start({ rates: { userPublications: burstOf(4) } })
    const [one, two, other] = [await connected('ann'), await connected('ann'), await connected('bob')]
    const [stranger, another] = [await connected(), await connected()]
    expect(await codesOf(one, times(2, publish()))).toEqual([0, 0])
    expect(await codesOf(two, times(3, publish()))).toEqual([0, 0, 111])
    expect(await codesOf(one, [publish(), presence])).toEqual([111, 0])
    expect(await codesOf(other, times(4, publish()))).toEqual(times(4, 0))
    expect(await codesOf(stranger, times(4, publish()))).toEqual(times(4, 0))
    expect(await codesOf(another, times(4, publish()))).toEqual(times(4, 0))
    expect(limited('user_publications')).toBe(2)
  })

  it('are forgotten with no connection: who comes back has used up what it has used up', async () => {
    await start({ rates: { userCommands: burstOf(2) } })
    expect(await codesOf(await connected('ann'), times(2, presence))).toEqual([0, 0])
    clients.pop()?.close()
    expect(await codesOf(await connected('ann'), [presence])).toEqual([111])
    expect(limited('user_commands')).toBe(1)
  })

  it('into one channel are limited for all together; the room beside it, and its own past, are not', async () => {
    const room = { ...namespaces['open'], publicationRate: burstOf(4) }
    await start({}, { namespaces: { ...namespaces, open: room } })
    const [one, two, listener] = [await connected('ann'), await connected('bob'), await connected()]
    listener.send({ id: 2, subscribe: { channel: 'open:b' } })
    await listener.expectReply(2)
    expect(await codesOf(one, times(3, publish('open:a')))).toEqual([0, 0, 0])
    expect(await codesOf(two, times(2, publish('open:a')))).toEqual([0, 111])
    expect(await codesOf(two, times(4, publish('open:b')))).toEqual(times(4, 0))
    for (let i = 0; i < 4; i++) expect(await listener.expectPush('pub')).toMatchObject({ channel: 'open:b' })
    expect(await codesOf(one, [{ history: { channel: 'open:a', limit: 1 } }])).toEqual([0])
    expect(await codesOf(one, times(20, publish('quiet:a')))).toEqual(times(20, 0))
    expect(limited('channel_publications')).toBe(1)
  })

  it('that are not permitted use up nothing of the room’s, and the hook is not asked about what is too much', async () => {
    const asked: unknown[] = []
    const members = { ...namespaces['members'], publicationRate: burstOf(2), allow: { publish: ['client'] } }
    await start(
      {},
      {
        namespaces: { ...namespaces, members } as NonNullable<ConfigInput['namespaces']>,
        onPublish: call => void asked.push(call.user),
      },
    )
    const [outsider, member] = [await connected(), await connected('ann')]
    expect(await codesOf(outsider, times(5, publish('members:a')))).toEqual(times(5, 103))
    expect(await codesOf(member, times(3, publish('members:a')))).toEqual([0, 0, 111])
    expect(asked).toEqual(['ann', 'ann'])
  })
})

describe('frames', () => {
  it('of one connection end it with 3013 above the burst, pings counted with them', async () => {
    await start({ rates: { connectionFrames: burstOf(6) } })
    const quiet = await connected()
    const socket = new WebSocket(stage.url)
    await once(socket, 'open')
    const ended = once(socket, 'close')
    for (let i = 0; i < 3; i++) socket.ping()
    for (let i = 0; i < 3; i++) socket.pong()
    await new Promise(resolve => socket.once('pong', resolve))
    expect(limited('connection_frames')).toBe(0)
    socket.ping()
    expect((await ended)[0]).toBe(3013)
    expect(limited('connection_frames')).toBe(1)
    expect(await codesOf(quiet, [presence])).toEqual([0])
  })

  it('that are too large, or in too many parts, are counted', async () => {
    await start({ maxFrameBytes: 512 })
    const client = await connected()
    client.sendText('x'.repeat(513))
    expect((await client.ended()).code).toBe(1009)
    const socket = new WebSocket(stage.url)
    await once(socket, 'open')
    const ended = once(socket, 'close')
    for (let i = 0; i <= 256; i++) socket.send('', { fin: false })
    expect((await ended)[0]).toBe(1008)
    expect([limited('frame_bytes'), limited('frame_parts')]).toEqual([1, 1])
    expect(stage.sockets.counts.ended.get('frame')).toBe(2)
  })
})

describe('a mailbox', () => {
  it('is seen to fill while its client does not read, and is gone when it is cut', async () => {
    await start({ maxMailboxBytes: 262_144 })
    const [slow, speaker] = [await connected(), await connected()]
    slow.send({ id: 2, subscribe: { channel: 'quiet:slow' } })
    await slow.expectReply(2)
    slow.stopReading()
    const { counts } = stage.sockets
    let fullest = 0
    for (let id = 10; id < 2_000 && counts.slowConsumers === 0; id++) {
      const large = { publish: { channel: 'quiet:slow', data: 'x'.repeat(40_000) } }
      expect(await codesOf(speaker, [large], id)).toEqual([0])
      const { mailboxBytes, largestMailboxBytes } = stage.sockets.usage()
      expect(largestMailboxBytes).toBeLessThanOrEqual(mailboxBytes)
      fullest = Math.max(fullest, largestMailboxBytes)
    }
    expect(counts.slowConsumers).toBe(1)
    expect(fullest).toBeGreaterThan(150_000)
    expect(fullest).toBeLessThanOrEqual(262_144)
    expect(counts.ended.get('3008')).toBe(1)
    slow.readAgain()
    expect((await slow.ended()).code).toBe(3008)
    await until('nothing waits', () => stage.sockets.usage().mailboxBytes === 0)
  })
})

describe('what is under way', () => {
  it('takes no more than its bytes on a node; above that clients are told to come back', async () => {
    let release = (): void => undefined
    const gate = new Promise<void>(resolve => {
      release = resolve
    })
    await start({ maxCommandBytes: 65_536, rates: {} }, { rpc: { wait: () => gate.then(() => 1) } })
    const [one, two] = [await connected(), await connected()]
    const large = { rpc: { method: 'wait', data: 'x'.repeat(30_000) } }
    for (const id of [10, 11]) one.send({ id, ...large })
    await until('both are under way', () => stage.sockets.usage().commandBytes > 60_000)
    two.send({ id: 10, ...large })
    expect((await two.expectReply(10)).error).toMatchObject({ code: 100, temporary: true })
    expect(await codesOf(two, [presence], 20)).toEqual([0])
    expect(limited('node_command_bytes')).toBe(1)
    release()
    for (const id of [10, 11]) expect((await one.expectReply(id)).error).toBeUndefined()
    await until('nothing is under way', () => stage.sockets.usage().commandBytes === 0)
    expect(await codesOf(two, [large], 30)).toEqual([0])
  })
})

describe('rates in the configuration', () => {
  it('has a rate for each namespace, its own before that of `defaults`', () => {
    const { namespaces: parsed } = parseConfig({
      defaults: { publicationRate: { perSecond: 7 } },
      namespaces: { a: {}, b: { publicationRate: { perSecond: 0 } } },
    })
    expect(parsed['a']?.publicationRate).toEqual({ perSecond: 7 })
    expect(parsed['b']?.publicationRate).toEqual({ perSecond: 0 })
    expect(parseConfig({ namespaces: { a: {} } }).namespaces['a']?.publicationRate.perSecond).toBe(1_000)
  })

  it('refuses what is no rate, and what is no network', () => {
    const rates = { connectionCommands: { perSecond: -1 }, userCommands: { perSecond: 1, burst: 0 } }
    expect(() => parseConfig({ limits: { rates } })).toThrow(/connectionCommands.perSecond.*\n.*burst/)
    expect(() => parseConfig({ http: { trustedProxies: ['10.0.0.0/33'] } })).toThrow('trustedProxies.0')
  })
})
