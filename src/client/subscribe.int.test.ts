import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ClientStage, channel } from '../../test/support/client-stage.ts'
import { publicationOf, Script, type ScriptedNode } from '../../test/support/scripted-node.ts'
import { until } from '../../test/support/until.ts'
import {
  type Client,
  codes,
  createClient,
  type Received,
  type Reset,
  type SubscribeOptions,
} from './index.ts'

describe('a subscription', () => {
  let stage: ClientStage
  let script: Script
  let node: ScriptedNode
  let client: Client
  let errors: ClientStage['errors']

  beforeEach(async () => {
    stage = await ClientStage.open()
    ;({ script, node, client, errors } = stage)
  })
  afterEach(() => stage.close())

  async function follow(options: SubscribeOptions<Received> = {}) {
    const events: Received[] = []
    const resets: Reset[] = []
    const subscription = client.channel(channel).subscribe({
      onReset: reset => resets.push(reset),
      ...options,
      onEvent: event => {
        events.push(event)
        return options.onEvent?.(event)
      },
    })
    await subscription.ready()
    const seen = (head: number) => until(`offset ${head} has come`, () => events.at(-1)?.offset === head)
    return { subscription, events, resets, seen, offsets: () => events.map(event => event.offset) }
  }

  const dense = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

  it('gets what is recorded from now on, with id, type, time and place', async () => {
    stage.record(3)
    const { subscription, events, seen } = await follow()
    expect(subscription.position).toEqual({ epoch: 'epoch-1', offset: 3 })
    stage.record(1)
    await seen(4)
    const kept = script.events(channel)[3]
    expect(events).toEqual([
      {
        channel,
        type: 'Counted',
        data: { n: 4 },
        id: kept?.id,
        offset: 4,
        position: { epoch: 'epoch-1', offset: 4 },
        time: kept?.time,
        info: undefined,
        tags: { id: kept?.id, type: 'Counted' },
      },
    ])
    expect(subscription.position).toEqual({ epoch: 'epoch-1', offset: 4 })
  })

  it('from the start gets everything, then what is live', async () => {
    stage.record(5)
    const { offsets, seen } = await follow({ since: 'start' })
    stage.record(2)
    await seen(7)
    expect(offsets()).toEqual(dense(1, 7))
  })

  it('that missed more than the server pushes pages through the history, and holds live events meanwhile', async () => {
    stage.record(250)
    script.maxRecovered = 10
    script.pageSize = 40
    // An event falls between any two pages.
    script.historyError = () => {
      stage.record(1)
      return undefined
    }
    const { offsets, resets } = await follow({ since: 0 })
    await until('it is live', () => offsets().length >= script.head(channel) && script.head(channel) > 250)
    script.historyError = () => undefined
    const pages = script.histories.length
    stage.record(3)
    const head = script.head(channel)
    await until('the last ones come live', () => offsets().at(-1) === head)
    expect(offsets()).toEqual(dense(1, head))
    expect(resets).toEqual([])
    expect(script.histories).toHaveLength(pages)
  })

  it('goes on after a cut, however much it missed', async () => {
    const { offsets, seen } = await follow({ since: 0 })
    stage.record(3)
    await seen(3)
    node.cut()
    stage.record(2)
    await seen(5)
    script.maxRecovered = 1
    node.cut()
    stage.record(30)
    await seen(35)
    expect(offsets()).toEqual(dense(1, 35))
  })

  it('closes a hole that the server left, and drops what comes twice', async () => {
    const { offsets, seen } = await follow({ since: 0 })
    script.arrives = event => event.offset !== 2
    stage.record(3)
    await seen(3)
    const again = script.events(channel)[1]
    if (again) node.send(channel, { pub: publicationOf(again) })
    stage.record(1)
    await seen(4)
    expect(offsets()).toEqual([1, 2, 3, 4])
  })

  it('whose handler throws or rejects reports it, keeps its place and its connection', async () => {
    const { subscription, offsets, seen } = await follow({
      onEvent: event => {
        if (event.offset === 1) throw new Error('thrown')
        if (event.offset === 2) return Promise.reject(new Error('rejected'))
      },
    })
    stage.record(3)
    await seen(3)
    expect(offsets()).toEqual([1, 2, 3])
    await until('the place has moved', () => subscription.position?.offset === 3)
    expect(errors.map(({ error, context }) => [(error as Error).message, context.kind])).toEqual([
      ['thrown', 'handler'],
      ['rejected', 'handler'],
    ])
    expect(errors[0]?.context).toMatchObject({ channel, event: { offset: 1 } })
    expect(client.state).toBe('connected')
    expect(node.opened).toBe(1)
  })

  it('whose listeners throw, onError among them, keeps its connection', async () => {
    client.disconnect()
    const threw = new Error('listener')
    const fail = () => {
      throw threw
    }
    const told: unknown[] = []
    client = stage.another({ onError: error => told.push(error), onState: fail })
    await client.connect()
    const { seen } = await follow({ onSubscribed: async () => fail(), onJoin: fail, onLeave: fail })
    const info = { user: 'ann', client: 'c' }
    node.send(channel, { join: { info } })
    node.send(channel, { leave: { info } })
    stage.record(1)
    await seen(1)
    expect(told.every(error => error === threw)).toBe(true)
    expect(told).toHaveLength(5)
    expect(client.state).toBe('connected')
  })

  it('with a slow handler gets everything in order, one at a time, and reads the rest from the history', async () => {
    let running = 0
    let most = 0
    let release = () => {}
    const gate = new Promise<void>(resolve => {
      release = resolve
    })
    const { offsets, seen } = await follow({
      maxWaiting: 5,
      onEvent: async () => {
        most = Math.max(most, ++running)
        await gate
        running--
      },
    })
    stage.record(60)
    node.send(channel, { pub: { data: 'a signal' } })
    await until('the signal was dropped', () => errors.some(({ context }) => context.kind === 'dropped'))
    await client.rpc('echo', 1)
    expect(script.histories).toEqual([])
    release()
    await seen(60)
    expect(offsets()).toEqual(dense(1, 60))
    expect(most).toBe(1)
    expect(script.histories.length).toBeGreaterThan(0)
  })

  it('is told of a new epoch, and goes on after its head', async () => {
    const { subscription, resets, offsets, seen } = await follow({ since: 0 })
    stage.record(3)
    await seen(3)
    script.epoch = 'epoch-2'
    script.channels.clear()
    stage.record(1)
    node.cut()
    await until('the reset is told', () => resets.length > 0)
    expect(resets).toEqual([
      { reason: 'epoch_changed', lost: undefined, position: { epoch: 'epoch-2', offset: 1 } },
    ])
    stage.record(1)
    await seen(2)
    expect(offsets()).toEqual([1, 2, 3, 2])
    expect(subscription.position).toEqual({ epoch: 'epoch-2', offset: 2 })
  })

  it('is told what retention has removed', async () => {
    stage.record(20)
    script.floors.set(channel, 12)
    const { resets, offsets, seen } = await follow({ since: { epoch: 'epoch-1', offset: 5 } })
    await seen(20)
    expect(resets).toMatchObject([{ reason: 'retention', lost: { from: 6, to: 12 } }])
    expect(offsets()).toEqual(dense(13, 20))
  })

  it('without onReset tells onError: never silent', async () => {
    stage.record(2)
    const given = { since: { epoch: 'old', offset: 1 } }
    client.channel(channel).subscribe(given)
    await until('it is told', () => errors.length > 0)
    expect(errors[0]?.context).toMatchObject({ kind: 'reset', reset: { reason: 'epoch_changed' } })
  })

  it('reads the past again after a passing error, and tells where it may not', async () => {
    stage.record(8)
    script.maxRecovered = 0
    let failures = 2
    script.historyError = () =>
      failures-- > 0 ? { code: 100, message: 'not now', temporary: true } : undefined
    const { offsets, seen, subscription } = await follow({ since: 5 })
    await seen(8)
    expect(offsets()).toEqual([6, 7, 8])
    expect(errors.map(({ context }) => context.kind)).toEqual(['retrying', 'retrying'])
    subscription.unsubscribe()

    script.historyError = () => ({ code: 103, message: 'permission denied' })
    const refused = await follow({ since: 5 })
    await until('the gap is told', () => refused.resets.length > 0)
    expect(refused.resets).toMatchObject([{ reason: 'history_refused', lost: { from: 6, to: 8 } }])
    stage.record(1)
    await refused.seen(9)
  })

  it('calls no handler once unsubscribed', async () => {
    const { subscription, offsets, seen } = await follow()
    stage.record(1)
    await seen(1)
    subscription.unsubscribe()
    expect(subscription.state).toBe('unsubscribed')
    await expect(subscription.ready()).rejects.toMatchObject({ code: codes.disconnected })
    const again = await follow()
    stage.record(1)
    await again.seen(2)
    expect(offsets()).toEqual([1])
  })

  it('ended by the server while the handler is slow still hands on what has arrived', async () => {
    let release = () => {}
    const gate = new Promise<void>(resolve => {
      release = resolve
    })
    const reasons: unknown[] = []
    const { offsets, seen } = await follow({
      onEvent: () => gate,
      onUnsubscribed: reason => reasons.push(reason),
    })
    stage.record(3)
    node.send(channel, { unsubscribe: { code: 2000, reason: 'revoked' } })
    await until('it is told', () => reasons.length > 0)
    release()
    await seen(3)
    expect(offsets()).toEqual([1, 2, 3])
  })

  it('unsubscribed while the handler is slow hands on nothing more', async () => {
    let release = () => {}
    const gate = new Promise<void>(resolve => {
      release = resolve
    })
    const { subscription, offsets } = await follow({ onEvent: () => gate })
    stage.record(3)
    await until('the first is being handled', () => offsets().length === 1)
    subscription.unsubscribe()
    release()
    for (let i = 0; i < 5; i++) await client.rpc('echo', i)
    expect(offsets()).toEqual([1])
  })

  it('ended by the server tells so', async () => {
    const reasons: unknown[] = []
    const { subscription } = await follow({ onUnsubscribed: reason => reasons.push(reason) })
    node.send(channel, { unsubscribe: { code: 2000, reason: 'revoked' } })
    await until('it is told', () => reasons.length > 0)
    expect(reasons).toMatchObject([{ code: 2000, message: 'revoked' }])
    expect(subscription.state).toBe('unsubscribed')
    expect(errors).toEqual([])
  })
})

describe('a channel', () => {
  it('publishes, signals, reads presence and history, and calls the application', async () => {
    const script = new Script()
    const node = await script.node()
    const client = createClient(node.url, { token: 'x' })
    await client.connect()
    const room = client.channel('room:1')
    await room.publish({ hello: 'all' })
    await room.signal('offer', { sdp: '…' }, { to: { client: 'c-1' } })
    await room.signal('typing', null)
    await room.signal('said', { to: 'everyone' }, { echo: true })
    await room.signal('moved', { x: 1 }, { to: { user: 'anna' } })
    // As somebody would write it without types: it must not reach everyone.
    const untyped = room.signal as (...given: unknown[]) => Promise<void>
    await expect(untyped({ sdp: '…' }, { to: { client: 'c-1' } })).rejects.toMatchObject({ code: 107 })
    expect(script.calls.map(call => call.data)).toEqual([
      { channel: 'room:1', type: 'offer', data: { sdp: '…' }, to: { client: 'c-1' } },
      { channel: 'room:1', type: 'typing', data: null },
      { channel: 'room:1', type: 'said', data: { to: 'everyone' }, echo: true },
      { channel: 'room:1', type: 'moved', data: { x: 1 }, to: { user: 'anna' } },
    ])
    expect(await room.presence()).toMatchObject({ 'client-1': { user: 'ann', connInfo: { n: 1 } } })
    const page = await room.history()
    expect(page).toMatchObject({
      head: 1,
      epoch: 'epoch-1',
      events: [{ type: 'publication', data: { hello: 'all' } }],
    })
    expect(page.events[0]?.time).toBe(script.events('room:1')[0]?.time)
    expect(await client.rpc('echo', { n: 1 })).toEqual({ n: 1 })
    await expect(client.rpc('nothing')).rejects.toMatchObject({ code: 104, temporary: false })
    expect(client.id).toMatch(/^[0-9a-f-]{36}$/)
    client.disconnect()
    expect(client.id).toBeUndefined()
    await script.close()
  })
})
