import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from 'vitest'
import { ClientStage, channel } from '../../test/support/client-stage.ts'
import type { Script, ScriptedNode } from '../../test/support/scripted-node.ts'
import { until } from '../../test/support/until.ts'
import type { StandardSchemaV1 } from '../contract/index.ts'
import {
  type Client,
  codes,
  createClient,
  HoldfastClientError,
  type Received,
  type ReplayOptions,
} from './index.ts'

const counted: StandardSchemaV1<{ n: number }> = {
  '~standard': { version: 1, vendor: 'test', validate: value => ({ value: value as { n: number } }) },
}
const dense = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)
const turns = async (n: number) => {
  for (let i = 0; i < n; i++) await new Promise(resolve => setImmediate(resolve))
}

describe('a replay', () => {
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

  /** What the loop was given, and how it ended. */
  async function all(options?: ReplayOptions, each?: (event: Received) => unknown) {
    const offsets: number[] = []
    try {
      for await (const event of client.channel(channel).replay(options)) {
        offsets.push(event.offset ?? -1)
        if ((await each?.(event)) === 'break') break
      }
    } catch (error) {
      return { offsets, error: error as HoldfastClientError }
    }
    return { offsets, error: undefined }
  }

  it('hands on everything there is when it begins, in order and once, with type, data and place', async () => {
    script.pageSize = 30
    stage.record(100)
    const events: Received[] = []
    for await (const event of client.channel(channel).replay()) {
      events.push(event)
      if (event.offset === 50) stage.record(40)
    }
    expect(events.map(event => event.offset)).toEqual(dense(1, 100))
    expect(events[99]).toMatchObject({
      type: 'Counted',
      data: { n: 100 },
      position: { epoch: 'epoch-1', offset: 100 },
      id: script.events(channel)[99]?.id,
    })
  })

  it.each<[string, ReplayOptions, number[]]>([
    ['an offset', { since: 90 }, dense(91, 100)],
    ['a saved place', { since: { epoch: 'epoch-1', offset: 97 } }, [98, 99, 100]],
    ['the head', { since: 100 }, []],
    ['an offset to another', { since: 10, until: 20 }, dense(11, 20)],
    ['an offset to the same', { since: 10, until: 10 }, []],
    ['the start to far above the head', { until: 1_000 }, dense(1, 100)],
    ['an offset for so many', { since: 3, limit: 4 }, [4, 5, 6, 7]],
    ['the start for more than there are', { limit: 1_000 }, dense(1, 100)],
  ])('goes from %s', async (_, options, expected) => {
    script.pageSize = 7
    stage.record(100)
    expect(await all(options)).toEqual({ offsets: expected, error: undefined })
  })

  it('knows its events’ types from the contract', () => {
    const contract = { 'order:{id}': { Counted: counted } }
    const { replay } = createClient<typeof contract>(node.url).channel('order:7')
    type Event = ReturnType<typeof replay> extends AsyncIterable<infer E> ? E : never
    expectTypeOf<Event['type']>().toEqualTypeOf<'Counted'>()
    expectTypeOf<Event['data']>().toEqualTypeOf<{ n: number }>()
  })

  it('of an empty channel is over at once', async () => {
    expect(await all()).toEqual({ offsets: [], error: undefined })
  })

  it('asks for no more than the loop wants, and for one page ahead of it', async () => {
    script.pageSize = 10
    stage.record(1_000)
    const gates: (() => void)[] = []
    const reading = all({}, () => new Promise<void>(resolve => gates.push(resolve)))
    await until('the first event is there', () => gates.length === 1)
    await until('a page ahead is asked for', () => script.histories.length === 2)
    await turns(50)
    expect(script.histories.map(({ since }) => since?.offset)).toEqual([0, 10])
    for (let n = 0; n < 10; n++) {
      gates[n]?.()
      await until('the next event is there', () => gates.length === n + 2)
    }
    await until('the next page is asked for', () => script.histories.length === 3)
    await turns(50)
    expect(script.histories).toHaveLength(3)
    client.disconnect()
    gates[10]?.()
    for (let n = 11; n < 30; n++) {
      await until('an event of the pages at hand', () => gates.length === n + 1)
      gates[n]?.()
    }
    expect((await reading).error).toMatchObject({ code: codes.disconnected })
  })

  it('asks for nothing any more once the loop is left', async () => {
    script.pageSize = 10
    stage.record(100)
    expect((await all({}, event => event.offset === 5 && 'break')).offsets).toEqual(dense(1, 5))
    await turns(200)
    expect(script.histories.length).toBeLessThanOrEqual(2)
  })

  it('goes on over temporary errors, cuts and a node that falls silent, without a hole or a duplicate', async () => {
    script.pageSize = 10
    stage.record(200)
    let asked = 0
    script.historyError = () =>
      ++asked % 3 === 0 ? { code: 100, message: 'internal server error', temporary: true } : undefined
    const { offsets, error } = await all({}, async event => {
      if (event.offset === 45 || event.offset === 121) node.cut()
      if (event.offset !== 81) return
      node.frozen = true
      setTimeout(() => {
        node.frozen = false
        node.cut()
      }, 50)
    })
    expect([error, offsets]).toEqual([undefined, dense(1, 200)])
    expect(errors.length).toBeGreaterThan(0)
    expect(errors.every(({ context }) => context.kind === 'retrying')).toBe(true)
  })

  it('replaces a connection that gives no reply at all', async () => {
    client.disconnect()
    client = stage.another({ timeoutMs: 50 })
    await client.connect()
    script.pageSize = 10
    stage.record(30)
    const { offsets } = await all({}, event => {
      if (event.offset !== 5) return
      node.frozen = true
      const before = node.opened
      void until('it connects anew', () => node.opened > before).then(() => {
        node.frozen = false
        node.cut()
      })
    })
    expect(offsets).toEqual(dense(1, 30))
  })

  describe('meets a gap that cannot be closed', () => {
    it('by retention: throws where the first event is, or skips', async () => {
      stage.record(30)
      script.floors.set(channel, 12)
      const { offsets, error } = await all({ since: 4 })
      expect(offsets).toEqual([])
      expect(error).toBeInstanceOf(HoldfastClientError)
      expect(error).toMatchObject({
        code: codes.unrecoverablePosition,
        message: 'order:7: events 5 to 12 are no longer kept; the first event there is has offset 13',
        reset: { reason: 'retention', lost: { from: 5, to: 12 }, position: { epoch: 'epoch-1', offset: 12 } },
      })
      expect(await all({ since: 4, onReset: 'skip' })).toEqual({ offsets: dense(13, 30), error: undefined })
      expect((await all()).offsets).toEqual(dense(13, 30))
    })

    it('by retention in its midst, up to the head itself', async () => {
      script.pageSize = 10
      stage.record(60)
      const midst = (offset: number, floor: number) => (event: Received) => {
        if (event.offset === offset) script.floors.set(channel, floor)
      }
      const thrown = await all({}, midst(3, 40))
      // The page ahead may have been read before that, or not.
      const read = thrown.offsets.length
      expect(thrown.offsets).toEqual(dense(1, read))
      expect(thrown.error?.reset).toMatchObject({ reason: 'retention', lost: { from: read + 1, to: 40 } })
      const skipped = await all({ since: 40, onReset: 'skip' }, midst(43, 60))
      expect(skipped).toEqual({ offsets: dense(41, 40 + skipped.offsets.length), error: undefined })
      const gone = await all({ since: 20, onReset: 'skip' })
      expect(gone).toEqual({ offsets: [], error: undefined })
    })

    it('of another epoch, at the beginning and in its midst', async () => {
      script.pageSize = 10
      stage.record(25)
      const place = { epoch: 'epoch-0', offset: 7 }
      const { error } = await all({ since: place })
      expect(error).toMatchObject({
        code: codes.unrecoverablePosition,
        reset: { reason: 'epoch_changed', position: { epoch: 'epoch-1', offset: 0 } },
      })
      expect((await all({ since: place, onReset: 'skip' })).offsets).toEqual(dense(1, 25))
      const epochs: (string | undefined)[] = []
      const skipped = await all({ onReset: 'skip' }, event => {
        epochs.push(event.position?.epoch)
        if (event.offset === 2) script.epoch = 'epoch-2'
      })
      expect(skipped.offsets.slice(-25)).toEqual(dense(1, 25))
      expect(epochs.at(-1)).toBe('epoch-2')
    })

    it('above the head', async () => {
      stage.record(5)
      const { error } = await all({ since: 9 })
      expect(error).toMatchObject({ code: codes.unrecoverablePosition, reset: { reason: 'ahead' } })
    })
  })

  it('that may not read the past says so', async () => {
    stage.record(5)
    script.historyError = () => ({ code: 103, message: 'permission denied' })
    expect((await all()).error).toMatchObject({
      code: codes.permissionDenied,
      message: 'order:7 cannot be replayed: reading the past needs the permission "history"',
    })
    script.historyError = () => ({ code: 102, message: 'unknown channel' })
    expect((await all()).error).toMatchObject({ code: codes.unknownChannel })
  })

  it('ends with the reason of its signal, wherever it is', async () => {
    script.pageSize = 10
    stage.record(50)
    const reason = new Error('enough')
    expect(await all({ signal: AbortSignal.abort(reason) })).toEqual({ offsets: [], error: reason })
    const inLoop = new AbortController()
    const looped = await all({ signal: inLoop.signal }, event => event.offset === 5 && inLoop.abort(reason))
    expect(looped).toEqual({ offsets: dense(1, 5), error: reason })
    const inRead = new AbortController()
    node.frozen = true
    const waiting = all({ signal: inRead.signal })
    await turns(5)
    inRead.abort(reason)
    expect(await waiting).toEqual({ offsets: [], error: reason })
    node.frozen = false
    const live = new AbortController()
    const following = all({ live: true, signal: live.signal })
    await until('it is live', () => client.sdk.getSubscription(channel)?.state === 'subscribed')
    live.abort(reason)
    expect(await following).toEqual({ offsets: dense(1, 50), error: reason })
    expect(client.sdk.getSubscription(channel)).toBeNull()
  })

  it('refuses what is no place and no number at once', async () => {
    const { replay } = client.channel(channel)
    for (const bad of [{ since: -1 }, { since: 1.5 }, { since: Number.NaN }, { until: -3 }, { limit: 0 }])
      expect(() => replay(bad), JSON.stringify(bad)).toThrow(
        expect.objectContaining({ code: codes.badRequest }),
      )
  })

  it('of a client that is not connected says so', async () => {
    client.disconnect()
    expect((await all()).error).toMatchObject({ code: codes.disconnected })
    expect((await all({ live: true })).error).toMatchObject({ code: codes.disconnected })
  })

  describe('that goes on live', () => {
    it('has neither hole nor duplicate where the past ends, over cuts, until the loop is left', async () => {
      script.pageSize = 10
      stage.record(45)
      const { offsets, error } = await all({ live: true }, event => {
        const { offset = 0 } = event
        if (offset < 100) stage.record(1)
        if (offset === 60 || offset === 90) node.cut()
        expect(event.position).toEqual({ epoch: 'epoch-1', offset })
        return offset === 120 && 'break'
      })
      expect([error, offsets]).toEqual([undefined, dense(1, 120)])
      expect(client.sdk.getSubscription(channel)).toBeNull()
    })

    it('ends at an offset or a number of events that lies ahead', async () => {
      stage.record(3)
      const ends = [all({ live: true, until: 6 })]
      await until('it is live', () => client.sdk.getSubscription(channel)?.state === 'subscribed')
      stage.record(5)
      expect(await ends[0]).toEqual({ offsets: dense(1, 6), error: undefined })
      expect((await all({ live: true, limit: 4 })).offsets).toEqual(dense(1, 4))
      expect((await all({ live: true, since: 2, until: 8 })).offsets).toEqual(dense(3, 8))
    })

    it('holds no more than a page and what waits for a slow loop, and misses nothing', async () => {
      stage.record(1)
      const { offsets } = await all({ live: true }, async event => {
        const { offset = 0 } = event
        if (offset === 1) {
          stage.record(2_400)
          await turns(20)
        }
        return offset === 2_401 && 'break'
      })
      expect(offsets).toEqual(dense(1, 2_401))
    })

    it('without the permission for the past gets what the server pushes, and is told of what it does not', async () => {
      stage.record(20)
      script.historyError = () => ({ code: 103, message: 'permission denied' })
      expect((await all({ live: true, since: 12, until: 20 })).offsets).toEqual(dense(13, 20))
      script.maxRecovered = 5
      expect((await all({ live: true, since: 12, until: 20 })).error).toMatchObject({
        code: codes.permissionDenied,
      })
    })

    it('ends with the connection, and with the server’s last word', async () => {
      stage.record(2)
      const following = all({ live: true })
      await until('it is live', () => client.sdk.getSubscription(channel)?.state === 'subscribed')
      client.disconnect()
      expect(await following).toMatchObject({ offsets: [1, 2], error: { code: codes.disconnected } })
      await client.connect()
      const again = all({ live: true })
      await until('it is live', () => client.sdk.getSubscription(channel)?.state === 'subscribed')
      node.send(channel, { unsubscribe: { code: 2000, reason: 'server unsubscribe' } })
      expect((await again).error).toMatchObject({ code: 2000 })
    })

    it('goes on beside a subscription, which misses nothing by it', async () => {
      stage.record(3)
      const seen: number[] = []
      const other = client.channel(channel).subscribe(event => seen.push(event.offset ?? 0))
      await other.ready()
      const following = all({ live: true, until: 5 })
      await until('it has read the past', () => script.histories.length > 0)
      stage.record(3)
      expect((await following).offsets).toEqual([1, 2, 3, 4, 5])
      await until('the other goes on', () => seen.length === 3)
      expect(seen).toEqual([4, 5, 6])
    })
  })
})
