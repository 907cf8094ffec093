import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ClientStage, channel } from '../../test/support/client-stage.ts'
import type { Script, ScriptedNode } from '../../test/support/scripted-node.ts'
import { until } from '../../test/support/until.ts'
import {
  type Client,
  type ClientStatus,
  codes,
  type Gap,
  HoldfastClientError,
  type PositionStore,
} from './index.ts'

let stage: ClientStage
let script: Script
let node: ScriptedNode
let client: Client
let errors: ClientStage['errors']

beforeEach(async () => {
  stage = await ClientStage.open({ timeoutMs: 5_000 })
  ;({ script, node, client, errors } = stage)
})
afterEach(() => stage.close())

describe('several readers of a channel', () => {
  it('are one subscription to the server, which ends with the last of them', async () => {
    const seen: string[] = []
    const order = client.channel(channel)
    const first = order.on('Placed', event => seen.push(`placed ${event.offset}`))
    const second = order.on(['Paid', 'Sent'], event => seen.push(`${event.type} ${event.offset}`))
    const third = client.channel(channel).on('*', event => seen.push(`any ${event.offset}`))
    await Promise.all([first, second, third].map(each => each.ready()))
    stage.record(1, 'Placed')
    stage.record(1, 'Sent')
    await until('all have come', () => seen.length === 4)
    expect([...seen].sort()).toEqual(['Sent 2', 'any 1', 'any 2', 'placed 1'])
    // Each has passed over what it does not want.
    expect(second.position).toEqual(first.position)
    expect(script.subscribes).toEqual([channel])

    first.unsubscribe()
    third.unsubscribe()
    stage.record(1, 'Paid')
    await until('the one that is left goes on', () => seen.at(-1) === 'Paid 3')
    expect(script.unsubscribes).toEqual([])
    second.unsubscribe()
    await until('the server is told', () => script.unsubscribes.length === 1)
    const again = order.on('*', event => seen.push(`again ${event.offset}`))
    await again.ready()
    expect(script.subscribes).toEqual([channel, channel])
  })

  it('that come and go at once leave nothing, and one that comes again is one', async () => {
    const order = client.channel(channel)
    order.on('*', () => undefined).unsubscribe()
    const seen: unknown[] = []
    const kept = order.on('*', event => seen.push(event.offset))
    await kept.ready()
    expect(script.subscribes).toEqual([channel])
    stage.record(1)
    await until('it comes', () => seen.length === 1)
    kept.unsubscribe()
    kept.unsubscribe()
    expect(kept.state).toBe('unsubscribed')
  })

  it('begin each where it wants to, whoever came before', async () => {
    stage.record(6)
    const order = client.channel(channel)
    const offsets: Record<string, number[]> = { start: [], five: [], now: [], late: [], lateNow: [] }
    const follow = (name: string, since?: number | 'start') =>
      order.on('*', event => offsets[name]?.push(event.offset ?? 0), since === undefined ? {} : { since })
    const together = [follow('start', 'start'), follow('five', 5), follow('now')]
    await Promise.all(together.map(each => each.ready()))
    await until('the past has come', () => offsets['start']?.length === 6)
    const late = [follow('late', 3), follow('lateNow')]
    await until('all are live', () => [...together, ...late].every(each => each.progress === 'live'))
    stage.record(2)
    await until('all have the last', () => Object.values(offsets).every(each => each.at(-1) === 8))
    expect(offsets).toEqual({
      start: [1, 2, 3, 4, 5, 6, 7, 8],
      five: [6, 7, 8],
      now: [7, 8],
      late: [4, 5, 6, 7, 8],
      lateNow: [7, 8],
    })
    expect(script.subscribes).toEqual([channel])
  })

  it('that begin together get what each has asked for from the server, without the right to read the history', async () => {
    stage.record(4)
    script.historyError = () => ({ code: 103, message: 'permission denied' })
    const order = client.channel(channel)
    const seen: Record<string, number[]> = { three: [], start: [] }
    const readers = [
      order.on('*', ({ offset }) => seen['three']?.push(offset ?? 0), { since: 3 }),
      order.on('*', ({ offset }) => seen['start']?.push(offset ?? 0), { since: 'start' }),
    ]
    await Promise.all(readers.map(each => each.ready()))
    stage.record(1)
    await until('both have the last', () => Object.values(seen).every(each => each.at(-1) === 5))
    expect(seen).toEqual({ three: [4, 5], start: [1, 2, 3, 4, 5] })
    expect(errors).toEqual([])
  })

  it('that come late with a place ahead of what was pushed are not told of a loss, or are where it is one', async () => {
    stage.record(4)
    script.arrives = event => event.offset < 5
    const order = client.channel(channel)
    await order.on('*', () => undefined, { since: 0 }).ready()
    stage.record(2)
    const seen: number[] = []
    const gaps: Gap[] = []
    client.on('gap', gap => gaps.push(gap))
    const ahead = order.on('*', event => seen.push(event.offset ?? 0), { since: 6 })
    await until('it is live', () => ahead.progress === 'live')
    expect(gaps).toEqual([])
    script.arrives = () => true
    stage.record(1)
    await until('it goes on', () => seen.length === 1)
    expect(seen).toEqual([7])
    const beyond = order.on('*', () => undefined, { since: { offset: 40, epoch: 'epoch-1' } })
    await until('the gap is told', () => gaps.length === 1)
    expect(gaps).toMatchObject([{ channel, reason: 'ahead', position: { offset: 7 } }])
    expect(beyond.position?.offset).toBe(7)
    // A listener of gaps is enough: nothing goes to `onError`.
    expect(errors).toEqual([])
  })

  it('stop at an event whose handler fails, where that is wanted, without the others', async () => {
    const order = client.channel(channel)
    const seen: number[] = []
    const ends: unknown[] = []
    const fails = async ({ offset }: { offset: number | undefined }) => {
      if (offset === 3) throw new Error('poison')
    }
    const stopped = order.on('*', fails, {
      since: 0,
      onPoison: 'stop-channel',
      onUnsubscribed: ({ code, cause }) => ends.push([code, (cause as Error).message]),
    })
    const skipping = order.on(
      '*',
      event => {
        if (event.offset === 3) throw new Error('skipped')
        seen.push(event.offset ?? 0)
      },
      { since: 0 },
    )
    await skipping.ready()
    stage.record(5)
    await until('one has ended', () => ends.length > 0)
    await until('the other has gone on', () => seen.length === 4)
    expect(ends).toEqual([[codes.poisoned, 'poison']])
    expect(stopped.state).toBe('unsubscribed')
    expect(stopped.position).toEqual({ epoch: 'epoch-1', offset: 2 })
    expect(seen).toEqual([1, 2, 4, 5])
    const again: number[] = []
    const rest = order.on('*', event => again.push(event.offset ?? 0), { since: stopped.position ?? 0 })
    await until('it goes on from there', () => again.length === 3)
    expect(again).toEqual([3, 4, 5])
    rest.unsubscribe()
    expect(errors.map(({ context }) => context.kind)).toEqual(['handler', 'handler'])
  })

  it('are live when they have what was there, and replay until then', async () => {
    stage.record(7)
    const seen: number[] = []
    const told: [string, number][] = []
    const reader = client.channel(channel).on('*', ({ offset }) => seen.push(offset ?? 0), {
      since: 2,
      onProgress: progress => told.push([progress, seen.length]),
    })
    expect(reader.progress).toBe('subscribing')
    await until('it is live', () => reader.progress === 'live')
    expect(told).toEqual([
      ['replaying', 0],
      ['live', 5],
    ])
    node.cut()
    await until('it is live again', () => told.length === 4)
    expect(told.slice(2).map(([progress]) => progress)).toEqual(['subscribing', 'live'])
    // Who may not read the head takes the server's pushes for all there is.
    script.historyError = () => ({ code: 103, message: 'permission denied' })
    const other = client
      .channel('order:8')
      .on('*', () => undefined, { since: 0, onProgress: () => undefined })
    await until('it is live', () => other.progress === 'live')
    reader.unsubscribe()
    expect(told.at(-1)?.[0]).toBe('ended')
  })

  it('end with their signals, and calls with theirs', async () => {
    const ending = new AbortController()
    const { signal } = ending
    const order = client.channel(channel)
    const reader = order.on('*', () => undefined, { signal })
    const places = order.subscribe({ cursor: 'read', signal })
    await reader.ready()
    node.frozen = true
    const calls = [
      order.publish({}, { signal }),
      order.signal('moved', {}, { signal }),
      order.history({ signal }),
      order.presence({ signal }),
      order.append('Counted', {}, { signal }),
      order.cursor('read').position({ signal }),
      client.rpc('echo', {}, { signal }),
    ]
    const why = new Error('enough')
    ending.abort(why)
    for (const { status, reason } of (await Promise.allSettled(calls)) as PromiseRejectedResult[])
      expect([status, reason]).toEqual(['rejected', why])
    expect([reader.state, places.state]).toEqual(['unsubscribed', 'unsubscribed'])
    expect(client.pendingAppends).toBe(1) // its reply may still come
    const before = order.on('*', () => undefined, { signal })
    expect(before.state).toBe('unsubscribed')
    await expect(client.connect({ signal })).rejects.toBe(why)
    await expect(order.publish({}, { signal })).rejects.toBe(why)
  })

  it('keep their places for the next page', async () => {
    const kept = new Map<string, string>()
    const positions: PositionStore = {
      getItem: key => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
    }
    stage.record(3)
    const page = async (name: true | string, from?: 'head') => {
      const own = stage.another({ positions })
      await own.connect()
      const seen: number[] = []
      const reader = own.channel(channel).subscribe({
        keep: name,
        ...(from && { from }),
        onEvent: event => seen.push(event.offset ?? 0),
      })
      await until('it is live', () => reader.progress === 'live')
      const leave = () => {
        reader.unsubscribe()
        own.disconnect()
      }
      return { seen, leave }
    }
    const first = await page(true)
    expect(first.seen).toEqual([1, 2, 3])
    first.leave()
    const head = await page('head', 'head')
    head.leave()
    stage.record(2)
    const second = await page(true)
    expect(second.seen).toEqual([4, 5])
    second.leave()
    const behind = await page('head', 'head')
    expect(behind.seen).toEqual([4, 5])
    behind.leave()
    expect(() => client.channel(channel).subscribe({ keep: true, since: 0 })).toThrow(/several/)
    // What is handled after the end counts, but never sets back what a later reader has done; nor does a signal's end.
    const ending = new AbortController()
    let release = () => {}
    const gate = new Promise<void>(resolve => {
      release = resolve
    })
    const slow = stage.another({ positions })
    await slow.connect()
    const begun: number[] = []
    slow.channel(channel).subscribe({
      keep: 'slow',
      signal: ending.signal,
      onEvent: ({ offset }) => {
        begun.push(offset ?? 0)
        return (offset ?? 0) < 3 ? undefined : gate
      },
    })
    await until('the third is under way', () => begun.length === 3)
    ending.abort()
    const keptAt = () => JSON.parse(kept.get(`holdfast:${channel}:slow`) ?? '{}').offset
    expect(keptAt()).toBe(2)
    const successor = slow.channel(channel).subscribe({ keep: 'slow', onEvent: () => undefined })
    await until('it has all', () => successor.position?.offset === 5)
    successor.unsubscribe()
    release()
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(keptAt()).toBe(5)
    slow.disconnect()
    // What cannot be read, or written, is as if there were nothing, and is reported.
    kept.set(`holdfast:${channel}`, '{"offset":-1}')
    positions.setItem = () => {
      throw new Error('full')
    }
    const third = await page(true)
    expect(third.seen).toEqual([1, 2, 3, 4, 5])
    third.leave()
    expect(errors).toMatchObject([{ context: { kind: 'positions', channel } }])
  })
})

it('ends where the application has subscribed with the SDK underneath in the same task', async () => {
  const ends: number[] = []
  const reader = client
    .channel(channel)
    .subscribe({ onEvent: () => undefined, onUnsubscribed: ({ code }) => ends.push(code) })
  const own = client.sdk.newSubscription(channel)
  await until('it has ended', () => reader.state === 'unsubscribed')
  expect(ends).toEqual([codes.alreadySubscribed])
  await expect(reader.ready()).rejects.toMatchObject({ code: codes.alreadySubscribed })
  client.sdk.removeSubscription(own)
  await client
    .channel(channel)
    .on('*', () => undefined)
    .ready()
})

describe('a client’s status', () => {
  it('says what the connection, the subscriptions and the node say, and asks the node only for who listens', async () => {
    script.state = { realtime: 'ready', durable: 'ready' }
    const silent = stage.another()
    await silent.connect()
    await silent.channel(channel).history()
    expect(script.calls.filter(({ method }) => method === 'holdfast.state')).toEqual([])
    silent.disconnect()

    // Asked again until there is an answer.
    let failures = 3
    script.stateError = () =>
      failures-- > 0 ? { code: 100, message: 'not now', temporary: true } : undefined
    const own = stage.another()
    const told: ClientStatus['state'][] = []
    const off = own.on('state', status => told.push(status.state))
    expect(own.status).toMatchObject({ state: 'closed', server: undefined })
    await own.connect()
    await until('it is live', () => own.status.server?.durable === 'ready')
    expect(own.status).toEqual({
      state: 'live',
      replaying: [],
      server: { realtime: 'ready', durable: 'ready' },
      why: undefined,
    })
    expect(own.status).toBe(own.status)

    node.message({ holdfast: { state: { realtime: 'local', durable: 'slow' } } })
    await until('it is degraded', () => own.status.state === 'degraded')
    // What is the application's, or nonsense, changes nothing.
    for (const other of [{ state: 1 }, 'text', null, { holdfast: { state: { realtime: 'away' } } }])
      node.message(other)
    node.message({ holdfast: { state: { realtime: 'ready', durable: 'none' } } })
    await until('it is live again', () => own.status.state === 'live')

    stage.record(600)
    script.maxRecovered = 10
    const seen: unknown[] = []
    let release = () => {}
    const gate = new Promise<void>(resolve => {
      release = resolve
    })
    const slow = (event: unknown) => {
      seen.push(event)
      return gate
    }
    const reader = own.channel(channel).on('*', slow, { since: 0, maxWaiting: 20 })
    await until('it replays', () => own.status.state === 'replaying')
    expect(own.status.replaying).toEqual([channel])
    release()
    await until('it is live', () => own.status.state === 'live')
    expect(seen).toHaveLength(600)
    reader.unsubscribe()

    node.cut()
    await until('it is connecting', () => told.includes('connecting'))
    await until('it is live', () => own.status.state === 'live')
    own.disconnect()
    await until('it is closed', () => told.at(-1) === 'closed')
    expect(own.status.why).toMatchObject({ reason: 'disconnect called' })
    expect(told.filter((state, i) => state === told[i - 1] && state !== 'live')).toEqual([])
    off()
    const before = told.length
    await own.connect()
    own.disconnect()
    await until('the status is another', () => own.status.state === 'closed')
    expect(told).toHaveLength(before)
  })

  it('does without a word of a node of an earlier release', async () => {
    client.on('state', () => undefined)
    await until('it was asked', () => script.calls.some(({ method }) => method === 'holdfast.state'))
    await client.channel(channel).history()
    expect(client.status).toMatchObject({ state: 'live', server: undefined })
  })

  it('survives listeners that throw, and ends with their signals', async () => {
    const ending = new AbortController()
    const told: string[] = []
    client.on('state', () => {
      throw new Error('mine')
    })
    client.on('state', ({ state }) => told.push(state), { signal: ending.signal })
    node.message({ holdfast: { state: { realtime: 'local', durable: 'ready' } } })
    await until('it is told', () => told.includes('degraded'))
    expect(errors).toMatchObject([{ context: { kind: 'listener' } }])
    ending.abort()
    const before = told.length
    node.message({ holdfast: { state: { realtime: 'ready', durable: 'ready' } } })
    await until('it is live', () => client.status.state === 'live')
    expect(told).toHaveLength(before)
  })
})

it.each(['at once', 'later'])(
  'a subscription that has ended says why, to who waits for it %s',
  async when => {
    const ends: number[] = []
    const refused = client.channel(channel).on('*', () => undefined, {
      // That there is none for this user, as the SDK wants it said.
      getToken: async () => '',
      onUnsubscribed: ({ code }) => ends.push(code),
    })
    if (when === 'later') await until('it has ended', () => refused.state === 'unsubscribed')
    await expect(refused.ready()).rejects.toMatchObject({ code: codes.unauthorized, temporary: false })
    expect(ends).toEqual([codes.unauthorized])
  },
)

it('errors lead each to the place of its code on docs/ERRORS.md', () => {
  const page = readFileSync(new URL('../../docs/ERRORS.md', import.meta.url), 'utf8')
  const places = [...page.matchAll(/<a id="([^"]+)"><\/a>/g)].map(([, id]) => `docs/ERRORS.md#${id}`)
  expect(places).toHaveLength(new Set(places).size)
  for (const [name, code] of Object.entries(codes)) {
    expect(places).toContain(new HoldfastClientError(code, name).docs)
    const row = new RegExp(`^\\| (<a id=.*, )?<a id="${code}"></a>.* \\| .*\`${name}\``, 'm')
    if (code < codes.internal) expect(page).toMatch(row)
  }
  for (const code of [3_001, 2_500]) expect(places).toContain(new HoldfastClientError(code, '').docs)
})
