import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ClientStage, channel } from '../../test/support/client-stage.ts'
import type { Script, ScriptedNode } from '../../test/support/scripted-node.ts'
import { until } from '../../test/support/until.ts'
import {
  type Acknowledgeable,
  type Client,
  codes,
  type Received,
  type Reset,
  type SubscribeOptions,
} from './index.ts'

describe('a subscription from a cursor', () => {
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

  function follow(options: Partial<SubscribeOptions<Received & Acknowledgeable>> = {}, by = client) {
    const events: (Received & Acknowledgeable)[] = []
    const resets: Reset[] = []
    const subscription = by.channel(channel).subscribe({
      cursor: 'inbox',
      onReset: reset => resets.push(reset),
      ...options,
      onEvent: event => {
        events.push(event)
        return options.onEvent?.(event)
      },
    })
    const offsets = () => events.map(event => event.offset)
    return {
      subscription,
      resets,
      events,
      offsets,
      seen: (head: number) => until(`offset ${head} has come`, () => offsets().at(-1) === head),
    }
  }

  const kept = () => script.cursors.get(`${channel} inbox`)
  const keptAt = (offset: number) => until(`the cursor is at ${offset}`, () => kept()?.offset === offset)

  it('that never was begins at the start, acknowledges what is handled, and goes on there on another device', async () => {
    stage.record(3)
    const first = follow()
    await first.subscription.ready()
    await first.seen(3)
    await keptAt(3)
    client.disconnect()
    stage.record(2)
    const other = stage.another()
    await other.connect()
    const second = follow({}, other)
    await second.seen(5)
    expect(second.offsets()).toEqual([4, 5])
    await keptAt(5)
    expect(script.acks.length).toBeLessThan(5)
  })

  it('acknowledges an event when its handler has ended, and not before', async () => {
    stage.record(2)
    const gate = Promise.withResolvers<void>()
    const { seen } = follow({ onEvent: event => (event.offset === 2 ? gate.promise : undefined) })
    await seen(2)
    await keptAt(1)
    await client.channel(channel).cursor('inbox').flush()
    expect(kept()?.offset).toBe(1)
    gate.resolve()
    await keptAt(2)
  })

  it('does not pass over an event whose handler failed, until the application does', async () => {
    stage.record(5)
    const fails = (event: Received) => {
      if (event.offset === 3) throw new Error('not this one')
    }
    const first = follow({ onEvent: fails })
    await first.seen(5)
    await keptAt(2)
    await client.channel(channel).cursor('inbox').flush()
    expect(kept()?.offset).toBe(2)
    first.subscription.unsubscribe()
    const again = follow({ onEvent: fails })
    await again.seen(5)
    expect(again.offsets()).toEqual([3, 4, 5])
    client.channel(channel).cursor('inbox').ack(3)
    stage.record(1)
    await keptAt(6)
  })

  it('that is acknowledged by hand keeps to that', async () => {
    stage.record(4)
    const { seen, subscription, events } = follow({ ack: 'manual' })
    // Another reader of the same channel, whose events are not this one's.
    const other: (Received & Acknowledgeable)[] = []
    client.channel(channel).on('*', event => other.push(event), { cursor: 'other', ack: 'manual' })
    await seen(4)
    await until('the other has them, too', () => other.length === 4)
    const cursor = client.channel(channel).cursor('inbox')
    expect(script.acks).toEqual([])
    events[0]?.ack()
    await cursor.flush()
    expect(kept()?.offset).toBe(1)
    other[3]?.ack()
    await client.channel(channel).cursor('other').flush()
    expect(script.cursors.get(`${channel} other`)?.offset).toBe(4)
    expect(kept()?.offset).toBe(1)
    cursor.ack({ epoch: 'epoch-1', offset: 2 })
    await cursor.flush()
    expect(cursor.acknowledged).toEqual({ epoch: 'epoch-1', offset: 2 })
    expect(await cursor.position()).toMatchObject({ offset: 2, epoch: 'epoch-1', head: 4, lag: 2 })
    subscription.unsubscribe()
    const again = follow({ ack: 'manual' })
    await again.seen(4)
    expect(again.offsets()).toEqual([3, 4])
  })

  it('from the head is placed there, so that what comes before the first ack is not missed', async () => {
    stage.record(3)
    const first = follow({ from: 'head', ack: 'manual' })
    await first.subscription.ready()
    expect(kept()).toMatchObject({ offset: 3 })
    first.subscription.unsubscribe()
    stage.record(2)
    const second = follow({ from: 'head', ack: 'manual' })
    await second.seen(5)
    expect(second.offsets()).toEqual([4, 5])
  })

  it('keeps asking where it stands over errors and cuts, and for an ack that got lost', async () => {
    stage.record(3)
    const fates = [
      { error: { code: 100, message: 'internal', temporary: true } },
      'lose_request',
      'answer',
    ] as const
    let asked = 0
    script.cursorFate = method =>
      method === 'holdfast.cursor' ? (fates[asked++] ?? 'answer') : asked++ < 5 ? 'lose_reply' : 'answer'
    const { seen, offsets } = follow()
    await seen(3)
    await client.channel(channel).cursor('inbox').flush()
    expect(offsets()).toEqual([1, 2, 3])
    expect(kept()?.offset).toBe(3)
    expect(errors.map(({ context }) => context.kind)).toEqual(['retrying'])
  })

  it('goes on over a reconnect without a duplicate, and acknowledges on', async () => {
    const { subscription, seen, offsets } = follow()
    await subscription.ready()
    stage.record(2)
    await seen(2)
    node.cut()
    stage.record(2)
    await seen(4)
    expect(offsets()).toEqual([1, 2, 3, 4])
    await keptAt(4)
  })

  it('of a past epoch begins anew from the start, tells it, and is taken over', async () => {
    stage.record(4)
    script.cursors.set(`${channel} inbox`, { offset: 3, epoch: 'epoch-0', moved: 1 })
    const { seen, offsets, resets } = follow()
    await seen(4)
    expect(resets).toMatchObject([{ reason: 'epoch_changed', position: { epoch: 'epoch-1', offset: 0 } }])
    expect(offsets()).toEqual([1, 2, 3, 4])
    await keptAt(4)
    expect(kept()?.epoch).toBe('epoch-1')
  })

  it('that retention has overtaken goes on behind the gap, tells it once, and not again on the next device', async () => {
    stage.record(9)
    script.cursors.set(`${channel} inbox`, { offset: 2, epoch: 'epoch-1', moved: 1 })
    script.floors.set(channel, 9)
    const first = follow()
    await until('it is told', () => first.resets.length > 0)
    expect(first.resets).toMatchObject([{ reason: 'retention', lost: { from: 3, to: 9 } }])
    await keptAt(9)
    first.subscription.unsubscribe()
    stage.record(1)
    const second = follow()
    await second.seen(10)
    expect(second.resets).toEqual([])
  })

  it('behind what another device has acknowledged is not harmed, and does not move it back', async () => {
    stage.record(2)
    const slow = Promise.withResolvers<void>()
    const { seen, offsets } = follow({ onEvent: event => (event.offset === 1 ? slow.promise : undefined) })
    await seen(1)
    const other = stage.another()
    await other.connect()
    stage.record(3)
    other.channel(channel).cursor('inbox').ack(5)
    await keptAt(5)
    slow.resolve()
    await seen(5)
    expect(offsets()).toEqual([1, 2, 3, 4, 5])
    await client.channel(channel).cursor('inbox').flush()
    expect(kept()?.offset).toBe(5)
  })

  it('that the server refuses ends, once, and leaves the channel free', async () => {
    script.cursorFate = () => ({ error: { code: 103, message: 'permission denied: anonymous' } })
    const ends: number[] = []
    const { subscription } = follow({ onUnsubscribed: error => ends.push(error.code) })
    expect(subscription.state).toBe('subscribing')
    await expect(subscription.ready()).rejects.toMatchObject({ code: 103 })
    expect(ends).toEqual([103])
    expect(subscription.state).toBe('unsubscribed')
    script.cursorFate = () => 'answer'
    await follow().subscription.ready()
  })

  it('ends before it has begun, and leaves other readers of the channel alone', async () => {
    stage.record(2)
    script.cursorFate = () => 'never'
    const { subscription, offsets } = follow()
    expect(() => client.channel('order:8').subscribe({ cursor: 'c', since: 0 })).toThrow(/both/)
    subscription.unsubscribe()
    await expect(subscription.ready()).rejects.toMatchObject({ code: codes.disconnected })
    script.cursorFate = () => 'answer'
    const second = follow()
    await second.seen(2)
    expect(offsets()).toEqual([])
  })

  it('may be asked for before there is a connection, and over an end of it', async () => {
    stage.record(2)
    const early = stage.another()
    const { seen, subscription } = follow({}, early)
    expect(subscription.state).toBe('subscribing')
    await early.connect()
    await seen(2)
    await keptAt(2)
  })

  it('asks with its channel’s token, newly made where it can be', async () => {
    stage.record(1)
    let made = 0
    const getToken = async () => {
      if (made++ === 0) throw new Error('not yet')
      return `token-${made}`
    }
    const { seen, subscription } = follow({ from: 'head', getToken })
    await subscription.ready()
    expect(script.acks).toMatchObject([{ offset: 1, token: 'token-2' }])
    stage.record(1)
    await seen(2)
  })

  it('reports an ack that is refused and waited for by nobody', async () => {
    stage.record(1)
    const cursor = client.channel(channel).cursor('inbox')
    cursor.ack(7)
    await until('it is reported', () => errors.length > 0)
    expect(errors).toMatchObject([
      { error: { code: codes.badRequest }, context: { kind: 'cursor', channel, cursor: 'inbox' } },
    ])
    cursor.ack(8)
    await expect(cursor.flush()).rejects.toMatchObject({ code: codes.badRequest })
    for (const bad of [-1, 1.5, Number.NaN, { position: undefined }]) {
      expect(() => cursor.ack(bad)).toThrow(expect.objectContaining({ code: codes.badRequest }))
    }
  })
})
