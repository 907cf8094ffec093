import fc from 'fast-check'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { MemoryLedger } from '../../../test/support/memory-ledger.ts'
import { SlowOutlet } from '../../../test/support/slow-outlet.ts'
import { until } from '../../../test/support/until.ts'
import type { NamespaceOptions } from '../../domain/index.ts'
import { ForeignMessages } from '../../platform/index.ts'
import { eventLine } from '../mirror/entry.ts'
import { Feeds } from './feeds.ts'
import { Heads } from './heads.ts'
import { Pages } from './pages.ts'
import { Subscribing } from './subscribe.ts'

const channel = 'order:1'
const options = { replay: { maxPushed: 10_000 } } as NamespaceOptions
/** So large that a burst does not fit into a reply, and the rest is pushed. */
const large = JSON.stringify('x'.repeat(600))
const logger = pino({ level: 'silent' })
const turn = () => new Promise(resolve => setImmediate(resolve))

function build() {
  const ledger = new MemoryLedger()
  const heads = new Heads(ledger)
  const pages = new Pages(ledger, undefined)
  const feeds = new Feeds({
    ledger,
    bus: undefined,
    heads,
    pages,
    logger,
    foreign: new ForeignMessages(logger),
  })
  const subscribing = new Subscribing(feeds, heads, pages)
  const subscribe = (outlet: SlowOutlet, since?: number) =>
    subscribing.subscribe({
      channel,
      outlet,
      options,
      ...(since === undefined ? {} : { recover: { offset: since, epoch: '' } }),
    })
  return { ledger, feeds, subscribe }
}

/** What the client has seen: the reply's publications, then what reached its socket. */
interface Seen {
  since: number
  reply: number[]
  outlet: SlowOutlet
}

const part = fc.double({ min: 0, max: 1, noNaN: true })
const act = fc.oneof(
  // Events that this node committed, or another one; announced by the bus, twice, late, or never.
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('event' as const),
      own: fc.boolean(),
      announced: fc.integer({ min: 0, max: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('burst' as const), size: fc.integer({ min: 1, max: 900 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('late' as const), at: part }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('subscribe' as const), at: part, recover: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('write' as const), packets: fc.integer({ min: 0, max: 2 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('compare' as const) }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 6 }) }),
  },
)

describe('sessions of a channel', () => {
  it('see exactly since + 1 … n, once and in order, over any interleaving of pages, live, duplicates and holes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(act, { minLength: 20, maxLength: 120 }),
        fc.integer({ min: 1, max: 5 }),
        async (acts, turns) => {
          const { ledger, feeds, subscribe } = build()
          ledger.turns = () => 1 + ((ledger.reads * 7) % turns)
          const sessions: Seen[] = []
          for (let n = 0; n < 900; n++) ledger.store(channel, large)
          const joining: Promise<void>[] = []
          const announce = (offset: number) => {
            const event = ledger.events[offset - 1]
            if (event) feeds.get(channel)?.offer({ first: offset, count: 1, text: eventLine(event) })
          }
          for (const each of acts) {
            const head = ledger.events.length
            if (each.kind === 'event') {
              const event = ledger.store(channel, '{}')
              if (each.own) feeds.offerOwn([{ ...event, line: eventLine(event) }])
              for (let n = 0; n < each.announced; n++) announce(event.offset)
            } else if (each.kind === 'burst') {
              for (let n = 0; n < each.size; n++) ledger.store(channel, large)
            } else if (each.kind === 'late') {
              announce(Math.ceil(each.at * head))
            } else if (each.kind === 'subscribe') {
              const outlet = new SlowOutlet(`client-${sessions.length}`, { slow: true })
              const seen: Seen = { since: -1, reply: [], outlet }
              sessions.push(seen)
              joining.push(
                subscribe(outlet, each.recover ? Math.floor(each.at ** 2 * head) : undefined).then(
                  subscription => {
                    seen.since = subscription.position?.offset ?? -1
                    seen.reply = subscription.publications.map(
                      text => (JSON.parse(text) as { offset: number }).offset,
                    )
                    if (each.recover) expect(subscription.recovered).toBe(true)
                    subscription.join()
                  },
                ),
              )
            } else if (each.kind === 'write') {
              for (const { outlet } of sessions) outlet.write(each.packets)
            } else if (each.kind === 'compare') {
              feeds.compare(feeds).catch(() => undefined)
            } else {
              for (let n = 0; n < each.count; n++) await turn()
            }
          }
          await Promise.all(joining)
          await feeds.compare(feeds)
          const head = ledger.events.length
          const owed = () =>
            sessions.filter(({ since, reply, outlet }) => since + reply.length + outlet.lines.length < head)
          for (const end = Date.now() + 15_000; owed().length > 0 && Date.now() < end; await turn())
            for (const { outlet } of sessions) outlet.write(1)
          expect(owed()).toEqual([])
          await turn()
          for (const { since, reply, outlet } of sessions) {
            outlet.write(9)
            expect([...reply, ...outlet.offsets]).toEqual(
              Array.from({ length: head - since }, (_, i) => since + 1 + i),
            )
            expect(outlet.ended).toEqual([])
          }
          feeds.endAll()
        },
      ),
      { numRuns: 200 },
    )
  }, 120_000)

  it('share one head read, and cost none on a warm channel at its position', async () => {
    const { ledger, subscribe } = build()
    for (let n = 0; n < 5; n++) ledger.store(channel, '{}')
    const first = await Promise.all(Array.from({ length: 50 }, (_, n) => subscribe(new SlowOutlet(`a${n}`))))
    expect(first.map(each => each.position?.offset)).toEqual(Array(50).fill(5))
    expect(ledger.reads).toBe(1)
    const second = await subscribe(new SlowOutlet('b'), 5)
    expect([second.recovered, second.publications, ledger.reads]).toEqual([true, [], 1])
  })

  it('get what is committed while the head is being read, without another look at the ledger', async () => {
    const { ledger, feeds, subscribe } = build()
    ledger.store(channel, '{}')
    ledger.turns = () => 4
    const outlet = new SlowOutlet('early')
    const pending = subscribe(outlet)
    while (ledger.reads === 0) await turn()
    await turn()
    await turn()
    const event = ledger.store(channel, '{}')
    feeds.offerOwn([{ ...event, line: eventLine(event) }])
    const subscription = await pending
    expect(subscription.position?.offset).toBe(2)
    expect(ledger.reads).toBe(1)
  })

  it('share the pages of one range', async () => {
    const { ledger, subscribe } = build()
    for (let n = 0; n < 2_000; n++) ledger.store(channel, '{}')
    await subscribe(new SlowOutlet('first'))
    const before = ledger.reads
    const many = Array.from({ length: 100 }, (_, n) => new SlowOutlet(`s${n}`))
    const subscriptions = await Promise.all(many.map(outlet => subscribe(outlet, 0)))
    for (const subscription of subscriptions) subscription.join()
    const replied = subscriptions[0]?.publications.length ?? 0
    await until('all have all', () => many.every(outlet => outlet.lines.length === 2_000 - replied))
    expect(ledger.reads - before).toBeLessThan(20)
  })

  it('are told that an offset is lost only after the ledger was asked', async () => {
    const { ledger, feeds, subscribe } = build()
    ledger.store(channel, '{}')
    const early = new SlowOutlet('early')
    ;(await subscribe(early)).join()
    // Committed by another node; nothing was announced here.
    for (let n = 0; n < 9; n++) ledger.store(channel, '{}')
    const outlet = new SlowOutlet('ahead')
    const known = await subscribe(outlet, 7)
    expect([known.recovered, known.position?.offset, known.publications]).toEqual([true, 7, []])
    known.join()
    await until('it has the rest', () => outlet.lines.length === 3)
    expect(outlet.offsets).toEqual([8, 9, 10])
    expect(early.offsets).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10])
    const unknown = await subscribe(new SlowOutlet('beyond'), 11)
    expect([unknown.recovered, unknown.position?.offset]).toEqual([false, 10])
    feeds.endAll()
  })

  it('end with a code that lets them come back when a replay can not be read on', async () => {
    const { ledger, subscribe } = build()
    for (let n = 0; n < 5_000; n++) ledger.store(channel, JSON.stringify('x'.repeat(200)))
    const outlet = new SlowOutlet('reader', { slow: true })
    const subscription = await subscribe(outlet, 0)
    expect(subscription.recovered).toBe(true)
    subscription.join()
    ledger.failing = true
    await until('it is ended', () => {
      outlet.write(1)
      return outlet.ended.length > 0
    })
    expect(outlet.ended).toEqual([{ channel, code: 2500 }])
    const got = subscription.publications.length + outlet.lines.length
    expect(got).toBeLessThan(5_000)
    await expect(subscribe(new SlowOutlet('again'), got)).rejects.toThrow()
    ledger.failing = false
    const again = await subscribe(new SlowOutlet('again'), got)
    expect(again.recovered).toBe(true)
  })

  it('may leave at any step without a trace', async () => {
    const { ledger, feeds, subscribe } = build()
    for (let n = 0; n < 3_000; n++) ledger.store(channel, JSON.stringify('x'.repeat(200)))
    const outlet = new SlowOutlet('gone', { slow: true })
    const pending = subscribe(outlet, 0)
    feeds.get(channel)?.leave('gone')
    ;(await pending).join()
    expect(feeds.get(channel)?.size).toBe(0)
    const replayed = await subscribe(outlet, 0)
    replayed.join()
    await until('replay has begun', () => outlet.bytes[3])
    feeds.get(channel)?.leave('gone')
    outlet.write(99)
    const before = outlet.lines.length
    ledger.store(channel, '{}')
    await feeds.compare(feeds)
    await turn()
    outlet.write(99)
    expect([outlet.lines.length, outlet.ended]).toEqual([before, []])
  })
})
