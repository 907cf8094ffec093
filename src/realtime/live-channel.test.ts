import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecordingOutlet } from '../../test/support/recording-outlet.ts'
import { until } from '../../test/support/until.ts'
import type { Position } from '../domain/index.ts'
import { encodePublication, pushPublication } from '../protocol/index.ts'
import { GapFill } from './gap-fill.ts'
import type { History } from './history.ts'
import { LiveChannel } from './live-channel.ts'
import { judgeRecovery } from './recovery.ts'

interface Published {
  readonly kind: 'numbered' | 'skipped'
  readonly place: Position
  readonly line: Buffer
}

/**
 * Redis and the bus as the channel sees them: a numbered history, a bus that delivers late, in order, and may lose;
 * a barrier after which everything published before has come or is lost.
 */
class FakeRedis {
  #epoch = 0
  #history: { offset: number; publication: string }[] = []
  #head = 0
  readonly wire: Published[] = []

  get head(): Position {
    return { epoch: `e${this.#epoch}`, offset: this.#head }
  }

  publish(): Published {
    const place = { epoch: `e${this.#epoch}`, offset: ++this.#head }
    const publication = encodePublication({ data: '1', offset: place.offset, tags: { epoch: place.epoch } })
    this.#history.push({ offset: place.offset, publication })
    const line = Buffer.from(pushPublication('x', publication))
    this.wire.push({ kind: 'numbered', place, line })
    return { kind: 'numbered', place, line }
  }

  /** A place that stays empty. */
  skip(): void {
    const place = { epoch: `e${this.#epoch}`, offset: ++this.#head }
    this.wire.push({ kind: 'skipped', place, line: Buffer.alloc(0) })
  }

  wipe(): void {
    this.#epoch++
    this.#head = 0
    this.#history = []
  }

  read(since: number) {
    return { head: this.head, entries: this.#history.filter(({ offset }) => offset > since) }
  }
}

type Act = 'publish' | 'own' | 'fill' | 'skip' | 'deliver' | 'lose' | 'wipe' | 'advance' | 'leave' | 'check'

interface Session {
  readonly outlet: RecordingOutlet
  stage: 'new' | 'expected' | 'read' | 'ready' | 'live'
  /** `<epoch>/<offset>` of all that the client has seen, in order, over its returns. */
  seen: string[]
  at: Position | undefined
  head: Position | undefined
}

function tags(line: string): string {
  const { offset, tags } = (
    JSON.parse(line) as { push: { pub: { offset: number; tags: { epoch: string } } } }
  ).push.pub
  return `${tags.epoch}/${offset}`
}

/** Takes over what the session was sent; a client that was ended comes back from where it is. */
function look(session: Session): void {
  for (const line of session.outlet.lines.splice(0)) {
    const seen = tags(line)
    const [epoch = '', offset] = seen.split('/')
    if (session.at) expect(seen).toBe(`${session.at.epoch}/${session.at.offset + 1}`)
    session.at = { epoch, offset: Number(offset) }
    session.seen.push(seen)
  }
  if (session.outlet.ended.splice(0).length > 0) session.stage = 'new'
}

/** The next of what a subscribing session goes through, as the tier does it. */
function advance(session: Session, channel: LiveChannel, redis: FakeRedis, deliverAll: () => void): void {
  const { outlet } = session
  if (session.stage === 'new') {
    channel.expect(outlet)
    session.stage = 'expected'
  } else if (session.stage === 'expected') {
    const slice = redis.read(session.at?.offset ?? 0)
    const recovery = session.at ? judgeRecovery(session.at, slice, 1e6) : undefined
    if (recovery?.recovered) {
      for (const text of recovery.publications) outlet.lines.push(pushPublication('x', text))
      look(session)
    } else session.at = slice.head
    session.head = slice.head
    session.stage = 'read'
  } else if (session.stage === 'read') {
    deliverAll()
    session.stage = 'ready'
  } else if (session.stage === 'ready' && session.head) {
    session.stage = 'live'
    channel.join(outlet, { kind: 'placed', from: session.head })
  }
}

describe('a channel with a place', () => {
  it('shows each session every offset once and in order, or ends it, over any interleaving', async () => {
    const acts = fc.array(
      fc.record({
        act: fc.oneof(
          { weight: 6, arbitrary: fc.constantFrom<Act>('publish', 'own', 'deliver') },
          { weight: 6, arbitrary: fc.constant<Act>('advance') },
          { weight: 1, arbitrary: fc.constantFrom<Act>('lose', 'wipe', 'leave', 'check', 'fill', 'skip') },
        ),
        who: fc.nat({ max: 2 }),
      }),
      { minLength: 30, maxLength: 150 },
    )
    let live = 0
    let ended = 0
    let ahead = 0
    await fc.assert(
      fc.asyncProperty(acts, async sequence => {
        const redis = new FakeRedis()
        const channel = new LiveChannel('x', 60, () => undefined)
        const sessions = [0, 1, 2].map((i): Session => {
          return {
            outlet: new RecordingOutlet('u', `c${i}`),
            stage: 'new',
            seen: [],
            at: undefined,
            head: undefined,
          }
        })
        const settle = async () => {
          await new Promise(resolve => setImmediate(resolve))
          for (const session of sessions) {
            if (session.outlet.ended.length > 0) ended++
            look(session)
          }
        }
        const deliver = () => {
          const next = redis.wire.shift()
          if (next) channel.receive({ mark: undefined, ...next })
        }
        const deliverAll = () => {
          while (redis.wire.length > 0) deliver()
        }
        const check = () => {
          const before = channel.place
          const head = redis.head
          deliverAll()
          channel.compare(head, before)
        }
        const fill = () => {
          const place = channel.place
          if (place?.epoch !== redis.head.epoch) return
          const whole = redis
            .read(place.offset)
            .entries.every(({ offset, publication }) =>
              channel.takeNext({ epoch: place.epoch, offset }, pushPublication('x', publication)),
            )
          if (!whole) channel.losePlaces()
        }
        for (const { act, who } of sequence) {
          if (act === 'publish') redis.publish()
          else if (act === 'own') {
            const { place, line } = redis.publish()
            if (channel.takeNext(place, line.toString())) ahead++
          } else if (act === 'fill') fill()
          else if (act === 'skip') redis.skip()
          else if (act === 'deliver') deliver()
          else if (act === 'lose') redis.wire.shift()
          else if (act === 'wipe') redis.wipe()
          else if (act === 'check') check()
          else {
            const session = sessions[who]
            if (act === 'advance' && session) advance(session, channel, redis, deliverAll)
            if (act === 'leave' && session && session.stage !== 'new') {
              channel.remove(session.outlet.client)
              look(session)
              session.stage = 'new'
            }
          }
          // In the same turn nothing has been flushed; a look in between must not change the outcome.
          if (who === 0) await settle()
        }
        check()
        await settle()
        check()
        await settle()
        // Whoever is still live has seen everything up to the head.
        for (const session of sessions) {
          if (session.stage !== 'live') continue
          live++
          expect(session.at).toEqual(redis.head)
        }
      }),
      { numRuns: 500 },
    )
    expect(live).toBeGreaterThan(100)
    expect(ended).toBeGreaterThan(100)
    expect(ahead).toBeGreaterThan(100)
  })

  it('takes a line once, whether the answer or the bus brings it first', async () => {
    const channel = new LiveChannel('x', 60, () => undefined)
    const outlet = new RecordingOutlet()
    const redis = new FakeRedis()
    channel.expect(outlet)
    channel.join(outlet, { kind: 'placed', from: redis.head })
    const lines = [1, 2, 3, 4].map(() => redis.publish())
    const [first, second, third, fourth] = lines as [Published, Published, Published, Published]
    const bus = ({ place, line }: Published) =>
      channel.receive({ kind: 'numbered', mark: undefined, place, line })
    const answer = ({ place, line }: Published) => channel.takeNext(place, line.toString())
    expect(answer(first)).toBe(true)
    bus(first)
    bus(second)
    expect(answer(second)).toBe(true)
    // What lies before it is missing; it is asked for again when that has come.
    expect(answer(fourth)).toBe(false)
    expect(answer(third)).toBe(true)
    expect(answer(fourth)).toBe(true)
    bus(third)
    bus(fourth)
    await new Promise(resolve => setImmediate(resolve))
    expect(outlet.offsets()).toEqual([1, 2, 3, 4])
    expect(outlet.ended).toEqual([])
  })

  it('shows own lines once to sessions without a place, over a bus that is deaf, late or whole', async () => {
    const channel = new LiveChannel('x', 60, () => undefined)
    const outlet = new RecordingOutlet()
    const redis = new FakeRedis()
    const history = { read: async (_: string, __: number, part: { since: number }) => redis.read(part.since) }
    const gapFill = new GapFill(history as unknown as History, () => true)
    channel.expect(outlet)
    channel.join(outlet, { kind: 'plain' })
    const bus = ({ place, line }: Published) =>
      channel.receive({ kind: 'numbered', mark: undefined, place, line })
    const answer = ({ place, line }: Published) => {
      if (!channel.takeNext(place, line.toString())) gapFill.wait(channel, place, line.toString())
    }
    const others = redis.publish()
    const first = redis.publish()
    answer(first)
    const between = redis.publish()
    const second = redis.publish()
    answer(second)
    await until('the bus is given up', () => outlet.offsets().length === 3)
    // Now it brings all of it: only the first has not been shown.
    for (const line of [others, first, between, second]) bus(line)
    await until('the late one is here', () => outlet.offsets().length === 4)
    redis.skip()
    const behindHole = redis.publish()
    answer(behindHole)
    await until('it is shown behind the hole', () => outlet.offsets().includes(6))
    channel.losePlaces()
    answer(behindHole)
    const whole = redis.publish()
    answer(whole)
    bus(whole)
    await new Promise(resolve => setTimeout(resolve, 100))
    expect(outlet.offsets()).toEqual([2, 3, 4, 1, 6, 7])
    expect(outlet.ended).toEqual([])
  })

  it('shows own lines that wait for the bus before anything that is published later without a number', async () => {
    const channel = new LiveChannel('x', 60, () => undefined)
    const [plain, placed] = [new RecordingOutlet(), new RecordingOutlet()]
    const redis = new FakeRedis()
    const reading = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    const history = {
      read: async (_: string, __: number, part: { since: number }) => {
        asked.resolve()
        await reading.promise
        return redis.read(part.since)
      },
    }
    const gapFill = new GapFill(history as unknown as History, () => true)
    const answer = ({ place, line }: Published) => {
      if (!channel.takeNext(place, line.toString())) gapFill.wait(channel, place, line.toString())
    }
    const without = (n: number) => {
      gapFill.release(channel)
      channel.publishUnnumbered(`{"push":{"pub":{"offset":${n}}}}`)
    }
    channel.expect(plain)
    channel.join(plain, { kind: 'plain' })
    channel.expect(placed)
    channel.join(placed, { kind: 'placed', from: redis.head })
    redis.publish()
    answer(redis.publish())
    without(101)
    redis.publish()
    answer(redis.publish())
    await asked.promise
    without(102)
    reading.resolve()
    await new Promise(resolve => setTimeout(resolve, 100))
    expect(plain.offsets()).toEqual([2, 101, 4, 102])
    // Who has a place comes back for the first line.
    expect(placed.offsets()).toEqual([])
    expect(placed.ended).toHaveLength(1)
  })

  it('shows nothing twice where the bus brings a hole later than what lies behind it', async () => {
    const channel = new LiveChannel('x', 60, () => undefined)
    const outlet = new RecordingOutlet()
    channel.expect(outlet)
    channel.join(outlet, { kind: 'plain' })
    const redis = new FakeRedis()
    const before = redis.publish()
    channel.receive({ ...before, kind: 'numbered', mark: undefined })
    redis.skip()
    const behind = redis.publish()
    channel.begin(behind.place, behind.line.toString())
    channel.receive({ kind: 'skipped', place: { ...behind.place, offset: behind.place.offset - 1 } })
    channel.receive({ ...behind, kind: 'numbered', mark: undefined })
    await new Promise(resolve => setImmediate(resolve))
    expect(outlet.offsets()).toEqual([1, 3])
  })

  it('ends sessions with a place, and those that wait for one, at a place that stays empty', async () => {
    const channel = new LiveChannel('x', 60, () => undefined)
    const [placed, owed, plain, joining] = Array.from({ length: 4 }, () => new RecordingOutlet())
    for (const outlet of [placed, owed, plain, joining]) channel.expect(outlet as RecordingOutlet)
    channel.join(placed as RecordingOutlet, { kind: 'placed', from: { epoch: 'e', offset: 5 } })
    channel.join(owed as RecordingOutlet, { kind: 'owed' })
    channel.join(plain as RecordingOutlet, { kind: 'plain' })
    channel.receive({ kind: 'skipped', place: { epoch: 'e', offset: 6 } })
    channel.join(joining as RecordingOutlet, { kind: 'placed', from: { epoch: 'e', offset: 5 } })
    expect([placed, owed, plain, joining].map(outlet => outlet?.ended.length)).toEqual([1, 1, 0, 1])
  })

  it('ends at most one round of subscriptions for one new epoch', () => {
    const channel = new LiveChannel('x', 60, () => undefined)
    const old = new RecordingOutlet()
    channel.expect(old)
    channel.join(old, { kind: 'placed', from: { epoch: 'e1', offset: 5 } })
    const one = new RecordingOutlet()
    channel.expect(one)
    channel.join(one, { kind: 'placed', from: { epoch: 'e2', offset: 0 } })
    expect([old.ended.length, one.ended.length]).toEqual([1, 0])
    channel.expect(old)
    channel.join(old, { kind: 'placed', from: { epoch: 'e2', offset: 0 } })
    expect([old.ended.length, one.ended.length]).toEqual([1, 0])
  })

  it('ends sessions whose place the head has fallen behind, as after the promotion of an old replica', () => {
    const channel = new LiveChannel('x', 60, () => undefined)
    const outlet = new RecordingOutlet()
    channel.expect(outlet)
    channel.join(outlet, { kind: 'placed', from: { epoch: 'e1', offset: 5 } })
    channel.compare({ epoch: 'e1', offset: 5 }, channel.place)
    expect(outlet.ended).toEqual([])
    channel.compare({ epoch: 'e1', offset: 3 }, channel.place)
    expect(outlet.ended).toHaveLength(1)
  })
})
