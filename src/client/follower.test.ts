import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Follower, type Item, type Place } from './follower.ts'

interface Event {
  readonly offset?: number
}
const event = (offset: number): Event => ({ offset })
const epoch = 'e1'

function started(since: Place | 'start' | undefined, head = 0, recovered = true) {
  const follower = new Follower<Event>({ since, afterReset: 'head' })
  const first = follower.subscribed({ position: { epoch, offset: head }, recovered })
  return { follower, first }
}

const offsets = (items: readonly Item<Event>[]) =>
  items.flatMap(item => (item.kind === 'event' ? [item.event.offset] : []))
const resets = (items: readonly Item<Event>[]) =>
  items.flatMap(item => (item.kind === 'reset' ? [item.reset] : []))

describe('a follower', () => {
  it('begins after the position of the first reply', () => {
    const { follower } = started(undefined, 7)
    expect(offsets(follower.event(event(7), true))).toEqual([])
    expect(offsets(follower.event(event(8), true))).toEqual([8])
    expect(follower.place).toEqual({ epoch, offset: 8 })
  })

  it('hands on what has no number, wherever it stands', () => {
    const unplaced = new Follower<Event>({ since: undefined, afterReset: 'head' })
    expect(unplaced.event({}, true)).toHaveLength(1)
    unplaced.subscribed({ position: undefined, recovered: false })
    expect(unplaced.event({}, true)).toHaveLength(1)
    const { follower } = started({ epoch, offset: 0 }, 9, false)
    expect(follower.catchingUp).toBe(true)
    expect(follower.event({}, false)).toHaveLength(1)
  })

  it('reads the past where the server could not recover, holds live events meanwhile, then goes on with them', () => {
    const { follower, first } = started({ epoch, offset: 2 }, 5, false)
    expect(first).toEqual([])
    expect(follower.event(event(6), true)).toEqual([])
    expect(follower.event(event(7), true)).toEqual([])
    expect(offsets(follower.page({ events: [3, 4].map(event), head: 6, epoch }))).toEqual([3, 4])
    expect(follower.catchingUp).toBe(true)
    expect(offsets(follower.page({ events: [5, 6].map(event), head: 6, epoch }))).toEqual([5, 6, 7])
    expect(follower.live).toBe(true)
  })

  it('reads the past where a live event leaves a hole', () => {
    const { follower } = started(undefined, 1)
    expect(follower.event(event(3), true)).toEqual([])
    expect(follower.catchingUp).toBe(true)
    expect(offsets(follower.page({ events: [event(2)], head: 3, epoch }))).toEqual([2, 3])
    expect(follower.live).toBe(true)
  })

  it('does not go live before everything it heard of has come', () => {
    const { follower } = started({ epoch, offset: 2 }, 5, false)
    expect(follower.event(event(8), true)).toEqual([])
    expect(offsets(follower.page({ events: [3, 4, 5].map(event), head: 5, epoch }))).toEqual([3, 4, 5])
    expect(follower.live).toBe(false)
    // A page may begin before our place: what was handed on is not handed on again.
    expect(offsets(follower.page({ events: [4, 5, 6, 7].map(event), head: 8, epoch }))).toEqual([6, 7, 8])
    expect(follower.live).toBe(true)
  })

  it('stays behind over a resubscription that brings only a part', () => {
    const { follower } = started({ epoch, offset: 2 }, 9, false)
    follower.subscribed({ position: { epoch, offset: 2 }, recovered: true })
    expect(follower.catchingUp).toBe(true)
    expect(offsets(follower.page({ events: [3, 4].map(event), head: 9, epoch }))).toEqual([3, 4])
    expect(follower.catchingUp).toBe(true)
  })

  it('leaves events to the history while the handler is behind', () => {
    const { follower } = started(undefined, 0)
    expect(follower.event(event(1), false)).toEqual([])
    expect(follower.catchingUp).toBe(true)
    expect(offsets(follower.page({ events: [event(1)], head: 1, epoch }))).toEqual([1])
    expect(follower.live).toBe(true)
  })

  it('tells of a new epoch and goes on after its head', () => {
    const { follower } = started({ epoch: 'old', offset: 3 }, 9, false)
    const { follower: other, first } = started({ epoch: 'old', offset: 30 }, 9, false)
    expect(resets(first)).toEqual([
      { reason: 'epoch_changed', lost: undefined, position: { epoch, offset: 9 } },
    ])
    expect(offsets(other.event(event(10), true))).toEqual([10])
    expect(follower.live).toBe(true)
  })

  it('goes on from the start of a new epoch where that is wished', () => {
    const follower = new Follower<Event>({ since: { epoch: 'old', offset: 3 }, afterReset: 'start' })
    const items = follower.subscribed({ position: { epoch, offset: 2 }, recovered: false })
    expect(resets(items)).toMatchObject([{ reason: 'epoch_changed', position: { epoch, offset: 0 } }])
    expect(offsets(follower.page({ events: [1, 2].map(event), head: 2, epoch }))).toEqual([1, 2])
  })

  it('tells of a new epoch that it first hears of in a page', () => {
    const { follower } = started({ epoch, offset: 2 }, 5, false)
    const items = follower.page({ events: [], head: 1, epoch: 'e2' })
    expect(resets(items)).toMatchObject([{ reason: 'epoch_changed', position: { epoch: 'e2', offset: 1 } }])
    expect(follower.live).toBe(true)
  })

  it('tells what retention has removed, and hands on the rest', () => {
    const { follower } = started({ epoch, offset: 2 }, 8, false)
    const items = follower.page({ events: [6, 7, 8].map(event), head: 8, epoch })
    expect(resets(items)).toEqual([
      { reason: 'retention', lost: { from: 3, to: 5 }, position: { epoch, offset: 5 } },
    ])
    expect(items[0]?.kind).toBe('reset')
    expect(offsets(items)).toEqual([6, 7, 8])
  })

  it('tells where retention has removed everything', () => {
    const { follower } = started({ epoch, offset: 2 }, 8, false)
    const items = follower.page({ events: [], head: 8, epoch })
    expect(resets(items)).toMatchObject([{ reason: 'retention', lost: { from: 3, to: 8 } }])
    expect(offsets(follower.event(event(9), true))).toEqual([9])
  })

  it('asked for the oldest there is, does not miss what retention removed before it, but what is removed later', () => {
    const { follower } = started('start', 8, false)
    const items = follower.page({ events: [5, 6].map(event), head: 8, epoch })
    expect(resets(items)).toEqual([])
    expect(offsets(items)).toEqual([5, 6])
    expect(resets(follower.page({ events: [event(8)], head: 8, epoch }))).toMatchObject([
      { lost: { from: 7, to: 7 } },
    ])
    const { follower: exact } = started({ epoch: '', offset: 0 }, 8, false)
    expect(resets(exact.page({ events: [event(8)], head: 8, epoch }))).toMatchObject([
      { lost: { from: 1, to: 7 } },
    ])
  })

  it('tells that the server has lost what it had', () => {
    const { follower, first } = started({ epoch, offset: 12 }, 8, false)
    expect(resets(first)).toMatchObject([{ reason: 'ahead', position: { epoch, offset: 8 } }])
    expect(offsets(follower.event(event(9), true))).toEqual([9])
  })

  it('tells what it may not read, and goes on with what it holds', () => {
    const { follower } = started({ epoch, offset: 2 }, 5, false)
    follower.event(event(6), true)
    const items = follower.historyRefused()
    expect(resets(items)).toMatchObject([{ reason: 'history_refused', lost: { from: 3, to: 5 } }])
    expect(offsets(items)).toEqual([6])
    expect(follower.live).toBe(true)
  })

  it('does nothing with a page that comes too late', () => {
    const { follower } = started(undefined, 5)
    expect(follower.page({ events: [event(6)], head: 6, epoch })).toEqual([])
    expect(follower.historyRefused()).toEqual([])
  })
})

/** A channel on a server, and a link that may lose, repeat and be cut. */
type Step =
  | { readonly kind: 'publish'; readonly arrives: boolean; readonly room: boolean }
  | { readonly kind: 'repeat'; readonly back: number }
  | { readonly kind: 'resubscribe'; readonly recovered: boolean }
  | { readonly kind: 'page'; readonly size: number; readonly behind: number }
  | { readonly kind: 'retain'; readonly keep: number }

const step = (retention: boolean): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('publish' as const),
        arrives: fc.boolean(),
        room: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('repeat' as const), back: fc.nat(5) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('resubscribe' as const), recovered: fc.boolean() }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('page' as const),
        size: fc.integer({ min: 1, max: 4 }),
        behind: fc.nat(2),
      }),
    },
    {
      weight: retention ? 1 : 0,
      arbitrary: fc.record({ kind: fc.constant('retain' as const), keep: fc.nat(6) }),
    },
  )

function play(steps: readonly Step[], since: number, head0: number): { items: Item<Event>[]; head: number } {
  const follower = new Follower<Event>({ since: { epoch, offset: since }, afterReset: 'head' })
  const items: Item<Event>[] = []
  let head = head0
  let floor = 0
  const page = (size: number, behind: number) => {
    if (!follower.place) return
    // A reader may stand a little behind what was pushed, never behind where the asker stands.
    const seen = Math.max(head - behind, follower.place.offset)
    const from = Math.max(follower.place.offset, floor)
    const to = Math.min(from + size, seen)
    const events = Array.from({ length: Math.max(0, to - from) }, (_, i) => event(from + 1 + i))
    items.push(...follower.page({ events, head: seen, epoch }))
  }
  const resubscribe = (recovered: boolean) => {
    const position = { epoch, offset: recovered ? (follower.place?.offset ?? since) : head }
    items.push(...follower.subscribed({ position, recovered }))
  }
  resubscribe(false)
  for (const each of steps) {
    if (each.kind === 'publish') {
      head++
      if (each.arrives) items.push(...follower.event(event(head), each.room))
    } else if (each.kind === 'repeat') {
      if (head > each.back) items.push(...follower.event(event(head - each.back), true))
    } else if (each.kind === 'resubscribe') resubscribe(each.recovered)
    else if (each.kind === 'page') page(each.size, each.behind)
    else floor = Math.max(floor, head - each.keep)
  }
  resubscribe(false)
  for (let i = 0; follower.catchingUp && i < head + 10; i++) page(3, 0)
  expect(follower.live).toBe(true)
  return { items, head }
}

describe('whatever is lost, repeated, cut or late', () => {
  const places = fc
    .integer({ min: 0, max: 8 })
    .chain(head => fc.tuple(fc.integer({ min: 0, max: head }), fc.constant(head)))

  it('a follower hands on each event once, in order, none missing', () => {
    fc.assert(
      fc.property(fc.array(step(false), { maxLength: 60 }), places, (steps, [since, head0]) => {
        const { items, head } = play(steps, since, head0)
        expect(resets(items)).toEqual([])
        expect(offsets(items)).toEqual(Array.from({ length: head - since }, (_, i) => since + 1 + i))
      }),
      { numRuns: 500 },
    )
  })

  it('and where retention removes events, each is handed on once or told as lost, in order', () => {
    fc.assert(
      fc.property(fc.array(step(true), { maxLength: 60 }), places, (steps, [since, head0]) => {
        const { items, head } = play(steps, since, head0)
        const told = items.flatMap(item =>
          item.kind === 'event'
            ? [item.event.offset]
            : Array.from(
                { length: (item.reset.lost?.to ?? 0) - (item.reset.lost?.from ?? 0) + 1 },
                (_, i) => (item.reset.lost?.from ?? 0) + i,
              ),
        )
        expect(told).toEqual(Array.from({ length: head - since }, (_, i) => since + 1 + i))
      }),
      { numRuns: 500 },
    )
  })
})
