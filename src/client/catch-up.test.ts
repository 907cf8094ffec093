import { describe, expect, it } from 'vitest'
import { TestClock } from '../../test/support/test-clock.ts'
import { catchUp } from './catch-up.ts'
import { Follower, type Item, type Page, type Place } from './follower.ts'

interface Event {
  readonly offset?: number
}

const turn = () => new Promise(resolve => setImmediate(resolve))

function bench(head = 6) {
  const clock = new TestClock()
  const follower = new Follower<Event>({ since: { epoch: 'e', offset: 0 }, afterReset: 'head' })
  follower.subscribed({ position: { epoch: 'e', offset: head }, recovered: false })
  const link = { subscribed: true, room: Promise.resolve(), epoch: 'e' }
  const reads: (Place | undefined)[] = []
  const errors: number[] = []
  const items: Item<Event>[] = []
  let next: (since: Place | undefined) => Page<Event> = since => {
    const from = since?.offset ?? 0
    const events = [1, 2, 3].map(n => ({ offset: from + n })).filter(event => event.offset <= head)
    return { events: since ? events : [], head, epoch: link.epoch }
  }
  const start = catchUp<Event>({
    clock,
    follower,
    read: async since => {
      reads.push(since)
      return next(since)
    },
    subscribed: () => link.subscribed,
    room: () => link.room,
    deliver: each => items.push(...each),
    onRetry: error => errors.push(error.code),
  })
  const answer = (reply: typeof next) => {
    next = reply
  }
  return { clock, follower, link, reads, errors, items, start, answer }
}

describe('reading the past', () => {
  it('goes page by page until nothing is missing, once at a time', async () => {
    const { start, follower, reads, items, clock } = bench()
    start()
    start()
    await turn()
    expect(follower.live).toBe(true)
    expect(reads.map(since => since?.offset)).toEqual([0, 3])
    expect(items).toHaveLength(6)
    expect(clock.waiting).toBe(0)
    start()
    expect(reads).toHaveLength(2)
  })

  it('waits for the handler', async () => {
    const { start, link, reads, follower } = bench()
    let open = () => {}
    link.room = new Promise(resolve => {
      open = resolve
    })
    start()
    await turn()
    expect(reads).toEqual([])
    open()
    await turn()
    expect(follower.live).toBe(true)
  })

  it('ends without a subscription, and is taken up with the next', async () => {
    const { start, link, reads, follower } = bench()
    link.subscribed = false
    start()
    await turn()
    expect(reads).toEqual([])
    link.subscribed = true
    start()
    await turn()
    expect(follower.live).toBe(true)
  })

  it('tries again later and later where the server cannot now, and says so', async () => {
    const { start, clock, answer, reads, errors } = bench()
    answer(() => {
      throw { code: 100, message: 'not now', temporary: true }
    })
    start()
    for (const [ms, count] of [
      [0, 1],
      [50, 2],
      [99, 2],
      [1, 3],
      [200, 4],
    ] as const) {
      clock.advance(ms)
      await turn()
      expect(reads).toHaveLength(count)
    }
    expect(errors).toEqual([100, 100, 100, 100])
  })

  it('waits a little where a page brings nothing new', async () => {
    const { start, clock, answer, reads, errors, follower } = bench(3)
    answer(since => ({ events: [], head: since?.offset ?? 0, epoch: 'e' }))
    start()
    await turn()
    expect(reads).toHaveLength(1)
    expect(follower.catchingUp).toBe(true)
    clock.advance(50)
    await turn()
    expect(reads).toHaveLength(2)
    expect(errors).toEqual([])
  })

  it('asks where the channel stands when its epoch is not the one it was asked with', async () => {
    const { start, link, answer, items, follower } = bench()
    link.epoch = 'new'
    answer(since => {
      if (since) throw { code: 112, message: 'unrecoverable position' }
      return { events: [], head: 2, epoch: link.epoch }
    })
    start()
    await turn()
    expect(items).toMatchObject([
      { kind: 'reset', reset: { reason: 'epoch_changed', position: { epoch: 'new', offset: 2 } } },
    ])
    expect(follower.live).toBe(true)
  })

  it('gives up what it may not read', async () => {
    const { start, answer, items, follower } = bench()
    answer(() => {
      throw { code: 108, message: 'not available' }
    })
    start()
    await turn()
    expect(items).toMatchObject([
      { kind: 'reset', reset: { reason: 'history_refused', lost: { from: 1, to: 6 } } },
    ])
    expect(follower.live).toBe(true)
  })
})
