import { describe, expect, it } from 'vitest'
import { TestClock } from '../../test/support/test-clock.ts'
import { Cursors } from './cursor.ts'
import { CursorAcks } from './cursor-acks.ts'
import { codes, HoldfastClientError } from './errors.ts'
import type { Place } from './follower.ts'

function bench() {
  const clock = new TestClock()
  const attempts: {
    place: Place
    take(offset?: number): void
    fail(code: number, temporary?: boolean): void
  }[] = []
  const link = { state: 'up' as 'up' | 'coming' | 'down', silences: 0 }
  const refused: number[] = []
  const acks = new CursorAcks({
    clock,
    link: () => link.state,
    onSilence: () => link.silences++,
    onRefused: error => refused.push(error.code),
    send: place =>
      new Promise<Place>((resolve, reject) => {
        attempts.push({
          place,
          take: (offset = place.offset) => resolve({ offset, epoch: 'e' }),
          fail: (code, temporary = false) => reject({ code, message: `code ${code}`, temporary }),
        })
      }),
  })
  const ack = (offset: number, epoch = 'e') => acks.ack({ offset, epoch })
  const settled = async () => {
    for (let i = 0; i < 8; i++) await Promise.resolve()
  }
  const sent = () => attempts.map(attempt => attempt.place.offset)
  return { acks, ack, attempts, clock, link, refused, sent, settled }
}

describe('acks on their way', () => {
  it('go at once, then as one with the highest offset a tenth of a second later', async () => {
    const { ack, attempts, clock, sent, settled, acks } = bench()
    for (const offset of [1, 3, 2]) ack(offset)
    expect(sent()).toEqual([1])
    attempts[0]?.take()
    await settled()
    clock.advance(99)
    ack(4)
    expect(sent()).toEqual([1])
    clock.advance(1)
    expect(sent()).toEqual([1, 4])
    ack(7)
    clock.advance(1_000)
    expect(sent()).toEqual([1, 4])
    attempts[1]?.take()
    await settled()
    expect(sent()).toEqual([1, 4, 7])
    expect(acks.confirmed).toEqual({ offset: 4, epoch: 'e' })
  })

  it('are not sent for what is acknowledged already, here or on another device', async () => {
    const { ack, attempts, clock, sent, settled, acks } = bench()
    ack(5)
    attempts[0]?.take(9)
    await settled()
    for (const offset of [5, 2, 9]) ack(offset)
    clock.advance(10_000)
    expect(sent()).toEqual([5])
    await acks.flush()
    ack(10)
    expect(sent()).toEqual([5, 10])
  })

  it('are repeated over temporary errors and lost connections until the server has them', async () => {
    const { ack, attempts, clock, link, sent, settled, acks } = bench()
    ack(1)
    let flushed = false
    const flush = acks.flush().then(() => {
      flushed = true
    })
    attempts[0]?.fail(100, true)
    await settled()
    ack(2)
    clock.advance(99)
    expect(sent()).toEqual([1])
    clock.advance(1)
    expect(sent()).toEqual([1, 2])
    link.state = 'down'
    attempts[1]?.fail(codes.connectionClosed)
    await settled()
    clock.advance(60_000)
    expect(sent()).toEqual([1, 2])
    expect(flushed).toBe(false)
    link.state = 'up'
    acks.connected()
    expect(sent()).toEqual([1, 2, 2])
    attempts[2]?.take()
    await flush
    expect(flushed).toBe(true)
  })

  it('that a silent server does not answer let the connection be looked at', async () => {
    const { ack, attempts, link, settled } = bench()
    ack(1)
    attempts[0]?.fail(codes.timeout)
    await settled()
    expect(link.silences).toBe(1)
  })

  it('wait for the channel’s subscription while it is on its way', () => {
    const { ack, clock, link, sent } = bench()
    link.state = 'coming'
    ack(1)
    clock.advance(100)
    expect(sent()).toEqual([])
    link.state = 'up'
    clock.advance(100)
    expect(sent()).toEqual([1])
  })

  it('are flushed at once, and the promise is about what was acknowledged before it', async () => {
    const { ack, attempts, sent, settled, acks } = bench()
    ack(1)
    attempts[0]?.take()
    await settled()
    ack(2)
    const flush = acks.flush()
    expect(sent()).toEqual([1, 2])
    ack(3)
    attempts[1]?.take()
    await flush
    expect(sent()).toEqual([1, 2])
  })

  it('that are refused are dropped: told to who waits, else reported', async () => {
    const { ack, attempts, clock, refused, sent, settled, acks } = bench()
    ack(99)
    attempts[0]?.fail(codes.badRequest)
    await settled()
    expect(refused).toEqual([codes.badRequest])
    ack(98)
    const flush = acks.flush()
    attempts[1]?.fail(codes.permissionDenied)
    await expect(flush).rejects.toMatchObject({ code: codes.permissionDenied })
    expect(refused).toHaveLength(1)
    clock.advance(10_000)
    expect(sent()).toEqual([99, 98])
    ack(3)
    expect(sent()).toEqual([99, 98, 3])
  })

  it('of another epoch replace what waits, and one that came meanwhile outlives the refusal', async () => {
    const { ack, attempts, clock, refused, settled } = bench()
    ack(50, 'old')
    ack(2, 'new')
    attempts[0]?.fail(codes.unrecoverablePosition)
    await settled()
    clock.advance(100)
    expect(refused).toEqual([codes.unrecoverablePosition])
    expect(attempts[1]?.place).toEqual({ offset: 2, epoch: 'new' })
  })

  it('without an epoch belong to the one that is known', () => {
    const { ack, attempts, clock, link, acks } = bench()
    link.state = 'down'
    ack(1)
    ack(4, '')
    link.state = 'up'
    acks.connected()
    clock.advance(100)
    expect(attempts[0]?.place).toEqual({ offset: 4, epoch: 'e' })
  })

  it('are dropped when the connection ends for good: the next one may be another user’s', async () => {
    const { ack, attempts, clock, sent, settled, acks } = bench()
    ack(5)
    const flush = acks.flush()
    acks.end(new HoldfastClientError(codes.disconnected, 'ended'))
    await expect(flush).rejects.toMatchObject({ code: codes.disconnected })
    attempts[0]?.take()
    await settled()
    expect(acks.confirmed).toBeUndefined()
    acks.connected()
    clock.advance(10_000)
    expect(sent()).toEqual([5])
    ack(2)
    expect(sent()).toEqual([5, 2])
    expect(clock.waiting).toBe(0)
  })
})

it('of cursors that have nothing on its way are forgotten above a thousand, and those that have are not', async () => {
  const clock = new TestClock()
  const held: (() => void)[] = []
  const sent: string[] = []
  const cursors = new Cursors({
    clock,
    sdk: { state: 'connected', getSubscription: () => null } as never,
    report: () => undefined,
    probe: () => undefined,
    call: (_method, data) => {
      const { channel, offset } = data as { channel: string; offset: number }
      sent.push(`${channel} ${offset}`)
      const place = { offset, epoch: 'e' }
      return new Promise(resolve => {
        if (channel === 'slow') held.push(() => resolve(place as never))
        else resolve(place as never)
      })
    },
  })
  const slow = cursors.open('slow', 'read')
  slow.ack(1)
  const first = cursors.open('order:0', 'read')
  for (let n = 0; n < 2_000; n++) {
    const cursor = cursors.open(`order:${n}`, 'read')
    cursor.ack(5)
    await cursor.flush()
  }
  expect(first.acknowledged).toBeUndefined()
  expect(cursors.open('order:1999', 'read').acknowledged).toEqual({ offset: 5, epoch: 'e' })
  // One and the same, whoever has asked for it before.
  first.ack(6)
  await cursors.open('order:0', 'read').flush()
  expect(first.acknowledged?.offset).toBe(6)
  slow.ack(2)
  held[0]?.()
  await Promise.resolve()
  await Promise.resolve()
  clock.advance(100)
  expect(sent.filter(each => each.startsWith('slow'))).toEqual(['slow 1', 'slow 2'])
})
