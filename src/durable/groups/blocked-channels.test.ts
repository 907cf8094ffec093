import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BlockedChannels } from './blocked-channels.ts'
import type { OpenRow } from './delivery-rows.ts'

const row = (position: number, channel: string, state: OpenRow['state'], dueInMs = 0): OpenRow => ({
  position,
  channel,
  state,
  attempts: 0,
  dueInMs,
})
const positions = (rows: readonly { position: number }[]) => rows.map(({ position }) => position)

describe('what is due', () => {
  it.each<[string, OpenRow[], number[]]>([
    ['a row that waits for nothing any more', [row(1, 'a', 'waiting')], [1]],
    [
      'a retry whose time has come, and what waits behind it',
      [row(1, 'a', 'retrying'), row(2, 'a', 'waiting')],
      [1, 2],
    ],
    ['nothing behind a parked one', [row(1, 'a', 'parked'), row(2, 'a', 'waiting')], []],
    [
      'nothing behind a retry whose time has not come',
      [row(1, 'a', 'retrying', 9), row(2, 'a', 'waiting')],
      [],
    ],
    [
      'what stands before a later parked one',
      [row(1, 'a', 'waiting'), row(2, 'a', 'parked'), row(3, 'a', 'waiting')],
      [1],
    ],
    ['each channel for itself', [row(1, 'a', 'parked'), row(2, 'b', 'waiting'), row(3, 'a', 'waiting')], [2]],
    [
      'a redriven one only when those before it are settled',
      [row(1, 'a', 'parked'), row(2, 'a', 'retrying')],
      [],
    ],
  ])('%s', (_, rows, due) => {
    expect(positions(new BlockedChannels(rows, 1_000).due(1_000, 100))).toEqual(due)
  })

  it('comes by itself with time', () => {
    const blocked = new BlockedChannels([row(1, 'a', 'retrying', 50), row(2, 'b', 'retrying', 20)], 1_000)
    expect(blocked.dueIn(1_000)).toBe(20)
    expect(positions(blocked.due(1_020, 100))).toEqual([2])
    expect(blocked.dueIn(2_000)).toBe(0)
    expect(new BlockedChannels([row(1, 'a', 'parked')], 0).dueIn(0)).toBe(Number.POSITIVE_INFINITY)
  })

  it('is never more than asked for, nor out of a channel’s order, and all of it ends', () => {
    const rows = fc.uniqueArray(
      fc.record({ position: fc.nat(60), channel: fc.constantFrom('a', 'b', 'c') }),
      { selector: each => each.position, maxLength: 40 },
    )
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 7 }), (list, limit) => {
        const sorted = list.toSorted((a, b) => a.position - b.position)
        const blocked = new BlockedChannels(
          sorted.map(each => row(each.position, each.channel, 'waiting')),
          0,
        )
        const handled: { position: number; channel: string }[] = []
        while (blocked.size > 0) {
          const due = blocked.due(0, limit)
          expect(due.length).toBeGreaterThan(0)
          expect(due.length).toBeLessThanOrEqual(limit)
          handled.push(...due)
          blocked.end(due)
        }
        for (const channel of ['a', 'b', 'c']) {
          const of = (all: readonly { position: number; channel: string }[]) =>
            positions(all.filter(each => each.channel === channel))
          expect(of(handled)).toEqual(of(sorted))
          expect(blocked.has(channel)).toBe(false)
        }
      }),
    )
  })
})

describe('comparing with the database', () => {
  const blocked = () =>
    new BlockedChannels([row(1, 'a', 'parked'), row(2, 'a', 'waiting'), row(3, 'b', 'retrying', 100)], 0)
  const counts = { partition: 1, open: 3, parked: 1, retrying: 1, due: 0 }

  it('finds no difference where there is none', () => {
    expect(blocked().differsFrom(counts, 0)).toBe(false)
    expect(blocked().differsFrom({ ...counts, due: 1 }, 200)).toBe(false)
    expect(new BlockedChannels([], 0).differsFrom(undefined, 0)).toBe(false)
  })

  it.each([
    ['a discarded one', { open: 2, parked: 0 }],
    ['a redriven one', { parked: 0, retrying: 2 }],
    ['a retry that is to be done now', { due: 1 }],
  ])('finds %s', (_, change) => {
    expect(blocked().differsFrom({ ...counts, ...change }, 0)).toBe(true)
  })

  it('takes a row anew in its place', () => {
    const anew = blocked()
    anew.add(row(1, 'a', 'retrying'), 0)
    expect(anew.size).toBe(3)
    expect(positions(anew.due(0, 9))).toEqual([1, 2])
  })
})
