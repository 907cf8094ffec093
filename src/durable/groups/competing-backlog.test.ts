import { beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../../test/support/until.ts'
import { Appetite } from './competing-appetite.ts'
import { Backlog, type Batch } from './competing-backlog.ts'
import type { TurnItem } from './handler-call.ts'

const place = (partition: number, epoch = 'e1') => ({ epoch, partition })
const event = (position: number, data = '{}') => ({
  partition: 0,
  position,
  channel: 'a:1',
  offset: position,
  id: '',
  type: 'T',
  data,
  meta: null,
  time: 0,
})
const item = (position: number): TurnItem => ({
  event: event(position),
  route: { handling: { kind: 'each', handler: () => undefined }, params: {} },
  attempt: 1,
})
const items = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => item(from + i))
const shown = (batch: Batch | undefined) =>
  batch && [batch.place.partition, ...batch.items.map(each => each.event.position)]

describe('a backlog', () => {
  let backlog: Backlog
  beforeEach(() => {
    backlog = new Backlog()
  })

  it('gives partitions their turns, whoever came first with however much', () => {
    backlog.add(place(1), items(1, 5))
    backlog.add(place(2), items(1, 1))
    backlog.add(place(3), items(7, 9))
    const batches = Array.from({ length: 6 }, () => shown(backlog.next(2)))
    expect(batches).toEqual([
      [1, 1, 2],
      [2, 1],
      [3, 7, 8],
      [1, 3, 4],
      [3, 9],
      [1, 5],
    ])
    expect(backlog.next(2)).toBeUndefined()
    expect(backlog.size).toBe(0)
  })

  it('holds an event once until it is released, and the same position of another epoch is another event', () => {
    backlog.add(place(1), items(1, 2))
    backlog.add(place(1), items(2, 3))
    backlog.add(place(1, 'e2'), items(2, 2))
    const first = backlog.next(10)
    expect(shown(first)).toEqual([1, 1, 2, 3])
    expect(shown(backlog.next(10))).toEqual([1, 2])
    backlog.add(place(1), items(1, 3))
    expect(backlog.next(10)).toBeUndefined()
    backlog.release({ place: place(1), items: items(2, 2) })
    backlog.add(place(1), items(1, 3))
    expect(shown(backlog.next(10))).toEqual([1, 2])
  })

  it('lets go of what waits, and of nothing that is being handled', () => {
    backlog.add(place(1), items(1, 3))
    backlog.add(place(2), items(1, 1))
    backlog.next(1)
    expect(backlog.drop()).toEqual([2, 1])
    expect(backlog.size).toBe(0)
    backlog.add(place(1), items(1, 3))
    expect(shown(backlog.next(10))).toEqual([1, 2, 3])
  })
})

describe('what waits too long in a backlog', () => {
  it('is let go of, and not what came later behind it', async () => {
    const backlog = new Backlog()
    backlog.add(place(1), items(1, 3))
    expect(shown(backlog.next(1))).toEqual([1, 1])
    const before = performance.now()
    await until('later', () => performance.now() > before)
    const between = performance.now()
    backlog.add(place(1), items(4, 5))
    expect(backlog.drop(between)).toEqual([1])
    expect(backlog.size).toBe(2)
    expect(backlog.drop(between)).toEqual([])
    expect(backlog.next(3, 60_000)).toBeUndefined()
    expect(backlog.dueIn(0)).toBe(0)
    expect(shown(backlog.next(3))).toEqual([1, 4, 5])
    // What was let go of may come again, and what is being handled is still held.
    backlog.add(place(1), items(1, 5))
    expect(shown(backlog.next(9))).toEqual([1, 2, 3])
    expect(backlog.dueIn(0)).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('an appetite', () => {
  it('asks for more where few have a handler, up to a bound', () => {
    const appetite = new Appetite()
    expect(appetite.count(7)).toBe(7)
    for (let n = 0; n < 20; n++)
      appetite.learn(
        Array.from({ length: 10 }, (_, i) => event(i)),
        1,
      )
    expect(appetite.count(7)).toBeGreaterThan(50)
    for (let n = 0; n < 50; n++) appetite.learn([event(1)], 0)
    expect(appetite.count(7)).toBe(500)
  })

  it('asks for few where they are large, and always for one', () => {
    const appetite = new Appetite()
    appetite.learn([event(1, 'x'.repeat(400_000))], 1)
    expect(appetite.count(100)).toBe(2)
    appetite.learn([event(1, 'x'.repeat(4_000_000))], 1)
    expect(appetite.count(100)).toBe(1)
  })
})
