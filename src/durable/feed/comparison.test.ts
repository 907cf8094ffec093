import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MemoryLedger } from '../../../test/support/memory-ledger.ts'
import { SlowOutlet } from '../../../test/support/slow-outlet.ts'
import type { NamespaceOptions } from '../../domain/index.ts'
import { ForeignMessages } from '../../platform/index.ts'
import { busChannel, partitionKeys } from '../mirror/keys.ts'
import { Comparison } from './comparison.ts'
import { type Bus, Feeds } from './feeds.ts'
import { Heads } from './heads.ts'
import { Pages } from './pages.ts'
import { Subscribing } from './subscribe.ts'

const options = { replay: { maxPushed: 10_000 } } as NamespaceOptions
const logger = pino({ level: 'silent' })

/** A bus that confirms at once, and loses what is not published on it. */
class ScriptedBus implements Bus {
  ready = true
  connection = 1
  readonly #handlers = new Map<string, (payload: Buffer) => void>()
  #back: (subscribedAgain: number) => void = () => undefined

  async subscribe(name: string, handler: (payload: Buffer) => void): Promise<void> {
    this.#handlers.set(name, handler)
  }

  unsubscribe(name: string): void {
    this.#handlers.delete(name)
  }

  onReconnect(listener: (subscribedAgain: number) => void): () => void {
    this.#back = listener
    return () => undefined
  }

  publish(name: string, message = '1'): void {
    this.#handlers.get(name)?.(Buffer.from(message))
  }

  lose(): void {
    this.ready = false
    this.connection++
  }

  comeBack(): void {
    this.ready = true
    this.#back(this.#handlers.size)
  }
}

const timers = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] as const

/** Several turns of the event loop, in which the ledger in memory answers. */
async function turns(count = 5): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise(resolve => setImmediate(resolve))
}

async function pass(ms: number): Promise<void> {
  for (let n = 0; n < ms; n += 50) {
    vi.advanceTimersByTime(50)
    await turns()
  }
}

describe('an announcement that was lost', () => {
  let ledger: MemoryLedger
  let bus: ScriptedBus
  let feeds: Feeds
  let foreign: ForeignMessages
  let comparison: Comparison
  let subscribe: (outlet: SlowOutlet, channel?: string) => Promise<void>

  beforeEach(() => {
    vi.useFakeTimers({ toFake: [...timers] })
    ledger = new MemoryLedger()
    bus = new ScriptedBus()
    const heads = new Heads(ledger)
    const pages = new Pages(ledger, undefined)
    foreign = new ForeignMessages(logger)
    feeds = new Feeds({ ledger, bus, heads, pages, logger, foreign })
    comparison = new Comparison(
      feeds,
      ledger,
      bus,
      { reachable: () => true, behind: () => false, announced: () => undefined },
      logger,
    )
    const subscribing = new Subscribing(feeds, heads, pages)
    subscribe = async (outlet, channel = 'order:1') =>
      (await subscribing.subscribe({ channel, outlet, options })).join()
  })
  afterEach(() => {
    comparison.close()
    feeds.endAll()
    vi.useRealTimers()
  })

  it('is found soon when the comparison that a notice asked for has failed', async () => {
    const outlet = new SlowOutlet('reader')
    await subscribe(outlet)
    await pass(1_000)
    ledger.store('order:1', '{}')
    ledger.failing = true
    bus.publish(partitionKeys(ledger.epoch, 0).notice)
    await pass(200)
    ledger.failing = false
    await pass(2_000)
    expect(outlet.offsets).toEqual([1])
  })

  it('is found soon when it falls into a second outage, and only the first one’s comparison succeeds', async () => {
    const outlet = new SlowOutlet('reader')
    await subscribe(outlet)
    ledger.turns = () => 10
    bus.lose()
    bus.comeBack()
    await turns(3)
    bus.lose()
    ledger.store('order:1', '{}')
    ledger.failing = true
    bus.comeBack()
    await turns(20)
    ledger.failing = false
    await pass(2_000)
    expect(outlet.offsets).toEqual([1])
  })

  it.each([
    ['of the next version', '2 1 1\n{"push":{}}'],
    ['with words of the next version instead of numbers', '1 first one\n{"push":{}}'],
    ['without a header', 'hello'],
    ['of nothing', ''],
  ])('is asked for, and counted, when the announcement is one %s', async (_, message) => {
    const outlet = new SlowOutlet('reader')
    await subscribe(outlet)
    await pass(100)
    ledger.store('order:1', '{}')
    bus.publish(busChannel(ledger.epoch, 0, 'order:1'), message)
    bus.publish(busChannel(ledger.epoch, 0, 'order:1'), message)
    const reads = ledger.reads
    // Far below the ten seconds after which a quiet channel is compared anyway.
    await pass(100)
    expect(outlet.offsets).toEqual([1])
    expect(foreign.count('announcement')).toBe(2)
    // One comparison for both, and one page.
    expect(ledger.reads - reads).toBeLessThanOrEqual(2)
  })

  it('is asked for when a notice says what nobody here knows', async () => {
    const outlet = new SlowOutlet('reader')
    await subscribe(outlet)
    await pass(100)
    const { notice } = partitionKeys(ledger.epoch, 0)
    for (const known of ['17', 'forget order:1']) bus.publish(notice, known)
    await pass(100)
    expect(foreign.count('notice')).toBe(0)
    ledger.store('order:1', '{}')
    bus.publish(notice, '2 moved 17')
    await pass(100)
    expect(outlet.offsets).toEqual([1])
    expect(foreign.count('notice')).toBe(1)
  })

  it('is found soon when the channel was just being opened', async () => {
    const outlet = new SlowOutlet('reader')
    ledger.turns = () => 20
    const subscribed = subscribe(outlet)
    await turns(5)
    expect(ledger.reads).toBe(1)
    ledger.turns = () => 1
    bus.lose()
    ledger.store('order:1', '{}')
    bus.comeBack()
    await turns(30)
    await subscribed
    await pass(2_000)
    expect(outlet.offsets).toEqual([1])
  })

  it('is found in time when the clock was set back', async () => {
    const outlet = new SlowOutlet('reader')
    await subscribe(outlet)
    vi.setSystemTime(Date.now() - 3_600_000)
    ledger.store('order:1', '{}')
    await pass(12_000)
    expect(outlet.offsets).toEqual([1])
  })

  it('costs a few statements for all channels together', async () => {
    const channels = Array.from({ length: 200 }, (_, n) => `order:${n}`)
    const outlets = channels.map(channel => new SlowOutlet(channel))
    await Promise.all(channels.map((channel, n) => subscribe(outlets[n] as SlowOutlet, channel)))
    bus.lose()
    for (const channel of channels) ledger.store(channel, '{}')
    ledger.failing = true
    bus.comeBack()
    await turns()
    ledger.failing = false
    const before = ledger.reads
    await pass(150)
    vi.advanceTimersByTime(900)
    await turns(20)
    expect(outlets.map(outlet => outlet.offsets)).toEqual(channels.map(() => [1]))
    // One page a channel; and the comparisons.
    expect(ledger.reads - before).toBeLessThan(200 + 30)
  })
})
