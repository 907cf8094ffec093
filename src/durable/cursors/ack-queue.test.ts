import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AckQueue, type AckWaiter, fateOf } from './ack-queue.ts'
import { checkKey } from './key.ts'
import type { Ack } from './types.ts'

const ack = (offset: number, more: Partial<Ack> = {}): Ack => ({
  channel: 'order:1',
  user: 'ann',
  name: 'inbox',
  offset,
  ...more,
})
const waiter = (of: Ack, since = 0): AckWaiter => ({
  ack: of,
  since,
  resolve: () => undefined,
  reject: () => undefined,
})

describe('acks that wait', () => {
  it('go as one row for each cursor, with its highest offset, and forget nobody', () => {
    const queue = new AckQueue()
    const others = [ack(1, { user: 'ben' }), ack(1, { name: 'archive' }), ack(1, { channel: 'order:2' })]
    for (const each of [ack(2), ...others, ack(7), ack(5)]) queue.add(waiter(each))
    expect(queue.size).toBe(6)
    const taken = queue.take(10)
    expect(taken.map(each => [each.highest.offset, each.waiters.length])).toEqual([
      [7, 3],
      [1, 1],
      [1, 1],
      [1, 1],
    ])
    expect(queue.size).toBe(0)
    expect(queue.take(10)).toEqual([])
  })

  it('of different epochs are not compared', () => {
    const queue = new AckQueue()
    for (const each of [ack(9, { epoch: 'old' }), ack(2, { epoch: 'new' }), ack(3)]) queue.add(waiter(each))
    expect(queue.take(10).map(each => each.highest.offset)).toEqual([9, 2, 3])
  })

  it('of users whose names are made to look alike stay apart', () => {
    const queue = new AckQueue()
    queue.add(waiter(ack(1, { user: 'a","b', name: 'c' })))
    queue.add(waiter(ack(2, { user: 'a', name: 'c' })))
    queue.add(waiter(ack(3, { user: 'a\n', name: 'c' })))
    expect(queue.take(10)).toHaveLength(3)
  })

  it('are taken by cursors, in the order in which these were first heard of', () => {
    const queue = new AckQueue()
    for (const name of ['c', 'a', 'b', 'a']) queue.add(waiter(ack(1, { name })))
    expect(queue.take(2).map(each => each.highest.name)).toEqual(['c', 'a'])
    expect(queue.size).toBe(1)
    expect(queue.take(2).map(each => each.highest.name)).toEqual(['b'])
  })

  it('for too long are taken out alone', () => {
    const queue = new AckQueue()
    for (const since of [1, 5, 9]) queue.add(waiter(ack(since), since))
    expect(queue.takeOlder(5).map(each => each.since)).toEqual([1])
    expect(queue.take(1)[0]).toMatchObject({ highest: { offset: 9 }, waiters: [{ since: 5 }, { since: 9 }] })
  })

  it('never lose an ack and never raise an offset, whatever comes in which order', () => {
    const one = fc.record({
      offset: fc.nat(50),
      user: fc.constantFrom('ann', 'ben'),
      name: fc.constantFrom('x', 'y'),
    })
    fc.assert(
      fc.property(fc.array(one), fc.integer({ min: 1, max: 3 }), (acks, most) => {
        const queue = new AckQueue()
        for (const each of acks) queue.add(waiter(ack(each.offset, each)))
        const taken = []
        for (let part = queue.take(most); part.length > 0; part = queue.take(most)) taken.push(...part)
        expect(taken.flatMap(each => each.waiters)).toHaveLength(acks.length)
        for (const { highest, waiters } of taken) {
          expect(highest.offset).toBe(Math.max(...waiters.map(each => each.ack.offset)))
          expect(new Set(waiters.map(each => `${each.ack.user} ${each.ack.name}`)).size).toBe(1)
        }
      }),
    )
  })
})

describe('the outcome of a row', () => {
  it('is that of its acks, but for those which one above the head has carried along', () => {
    const above = { kind: 'above_head', head: 10 } as const
    expect([fateOf(ack(10), above), fateOf(ack(11), above)]).toEqual(['again', above])
    const moved = { kind: 'moved', offset: 12, epoch: 'e' } as const
    expect([fateOf(ack(1), moved), fateOf(ack(12), moved)]).toEqual([moved, moved])
    expect(fateOf(ack(1), { kind: 'too_many' })).toEqual({ kind: 'too_many' })
  })
})

describe('a cursor’s key', () => {
  it.each(['', ' ', 'a b', 'ünder', 'a/b', 'a\0', 'x'.repeat(65)])('refuses the name %j', name => {
    expect(() => checkKey({ channel: 'order:1', user: 'ann', name })).toThrow(/1 to 64 characters/)
  })

  it.each(['', 'a\0b', 'half \ud800', 'x'.repeat(1_025), 'é'.repeat(513)])(
    'refuses the user %j, whom the table cannot hold',
    user => {
      expect(() => checkKey({ channel: 'order:1', user, name: 'inbox' })).toThrow(/user id/)
    },
  )

  it('takes what is allowed', () => {
    checkKey({ channel: 'order:1', user: 'ann@example.com\n"', name: 'A-z_0.9' })
    checkKey({ channel: 'order:1', user: '🦀'.repeat(256), name: 'x'.repeat(64) })
  })
})
