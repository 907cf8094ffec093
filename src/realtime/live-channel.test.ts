import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecordingOutlet } from '../../test/support/recording-outlet.ts'
import type { Position } from '../domain/index.ts'
import { encodePublication, pushPublication } from '../protocol/index.ts'
import { LiveChannel } from './live-channel.ts'
import { judgeRecovery } from './recovery.ts'

interface Published {
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

  publish(): void {
    const place = { epoch: `e${this.#epoch}`, offset: ++this.#head }
    const publication = encodePublication({ data: '1', offset: place.offset, tags: { epoch: place.epoch } })
    this.#history.push({ offset: place.offset, publication })
    this.wire.push({ place, line: Buffer.from(pushPublication('x', publication)) })
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

type Act = 'publish' | 'deliver' | 'lose' | 'wipe' | 'advance' | 'leave' | 'check'

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
          { weight: 6, arbitrary: fc.constantFrom<Act>('publish', 'deliver') },
          { weight: 6, arbitrary: fc.constant<Act>('advance') },
          { weight: 1, arbitrary: fc.constantFrom<Act>('lose', 'wipe', 'leave', 'check') },
        ),
        who: fc.nat({ max: 2 }),
      }),
      { minLength: 30, maxLength: 150 },
    )
    let live = 0
    let ended = 0
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
          if (next) channel.receive({ kind: 'numbered', mark: undefined, ...next })
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
        for (const { act, who } of sequence) {
          if (act === 'publish') redis.publish()
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
