import type { BusKind, ForeignMessages } from '../platform/index.ts'
import { channelAttributes, follow, spanAttributes, type Traced } from '../tracing/index.ts'
import { BusBatch, endAll } from './bus-batch.ts'
import { type Address, type BusMessage, decodeMessage, encodeMessage } from './envelope.ts'
import type { Keys } from './keys.ts'
import type { RedisLink } from './redis-link.ts'

/**
 * The least time from one call to the next. A call costs the node and Redis a system call and a wake-up each,
 * which is ten times what a message in it costs; so under load a message may wait this long, a lone one never.
 * Longer waits were tried: 5 ms saved no CPU that could be measured over 200 rooms, and cost their latency.
 */
const paceMs = 2

/** Messages in one call: Redis does nothing else meanwhile. */
const maxAtOnce = 1_000

/** Above this what waits for Redis is dropped: it is lossy, and late it would be worth nothing. */
const maxWaitingCharacters = 4 * 1024 * 1024

/** Older than this nothing is published any more, whatever it waited for. */
const maxAgeMs = 1_000
/** Older than this nothing is delivered any more, wherever it was held up. */
const staleMs = 2_000

/**
 * `away`: Redis is known to be. `full`: too much waited for it. `late`: it got them, or would have, when they were no
 * longer true. `unanswered`: it may have published them. `stale`: they came here so late, on a connection that was dead
 * for a while, that they were not true any more.
 */
export type DropReason = 'away' | 'full' | 'late' | 'unanswered' | 'stale'

/**
 * Between the nodes, at most once, in the order in which one node sends. What is sent in one turn of the event
 * loop leaves as one call, and while a call is under way the next one collects: so a lone message never waits, and
 * a flood makes large calls. Nothing is kept for a Redis that is away.
 */
export class Bus {
  readonly #link: RedisLink | undefined
  readonly #node: string
  readonly #keys: Keys
  readonly #foreign: ForeignMessages
  readonly #confirmMs: number
  readonly #batch = new BusBatch()
  #scheduled = false
  #sending: Promise<void> | undefined
  #sentAt = 0
  #added = 0
  readonly #dropped: Record<DropReason, number> = { away: 0, full: 0, late: 0, unanswered: 0, stale: 0 }

  constructor(options: {
    link: RedisLink | undefined
    node: string
    keys: Keys
    foreign: ForeignMessages
    confirmMs: number
  }) {
    this.#link = options.link
    this.#node = options.node
    this.#keys = options.keys
    this.#foreign = options.foreign
    this.#confirmMs = options.confirmMs
  }

  /** Messages that other nodes did not get, since the start; not what nodes tell each other, which they repeat. */
  get dropped(): Readonly<Record<DropReason, number>> {
    return this.#dropped
  }

  /** A line for the channel's subscribers on the other nodes. */
  send(channel: string, address: Address, line: string, trace?: string): void {
    const span = trace === undefined || !this.#link ? undefined : busSpan(trace, channel)
    this.#add(this.#keys.bus(channel), address, line, span)
  }

  /** A message was not sent, because a later one of the same publisher has already gone another way. */
  noteLate(): void {
    this.#dropped.late++
  }

  /** A control message of another node that nobody here knows. */
  noteForeignControl(): void {
    this.#foreign.note('control', this.#keys.control())
  }

  /** A JSON text for all other nodes. */
  sendControl(json: string): void {
    const link = this.#link
    if (!link?.heldAway) {
      this.#add(this.#keys.control(), 'control', json)
      return
    }
    // Those who are to take the hold back must be reached in spite of it.
    const message = encodeMessage(this.#node, 'control', 1, 0, json)
    const sent = link.insist(scripts =>
      scripts.publishBatch(link.notAfter(), [this.#keys.control(), message]),
    )
    sent.catch(() => undefined)
  }

  /**
   * `age`: how many seconds ago the message, or the oldest line in it, was published, by Redis' clock; NaN where that is
   * not known. True when Redis has confirmed it: what is published from now on arrives. False when Redis does not answer or
   * is known to be away (then at once); the subscription follows by itself when it is back.
   */
  subscribe(channel: string, receive: (message: BusMessage, age: number) => void): Promise<boolean> {
    return this.#subscribe(this.#keys.bus(channel), 'signal', receive)
  }

  subscribeControl(receive: (message: BusMessage) => void): Promise<boolean> {
    return this.#subscribe(this.#keys.control(), 'control', receive)
  }

  unsubscribe(channel: string): void {
    this.#link?.pubsub.unsubscribe(this.#keys.bus(channel))
  }

  /** Sends what waits; resolves when Redis has taken it, or won't. */
  async flush(): Promise<void> {
    while (this.#sending || !this.#batch.empty) {
      this.#send()
      await this.#sending
    }
  }

  /** Resolves when what waits at this moment is with Redis, or given up: what is sent to it then comes behind. */
  async sent(): Promise<void> {
    const upTo = this.#added
    while (this.#added - this.#batch.count < upTo) {
      this.#send()
      await this.#sending
    }
    // Answered, because a script that the server does not know yet is sent a second time.
    await this.#sending
  }

  #add(busChannel: string, address: Address, line: string, span?: Traced): void {
    if (!this.#link?.passing) {
      if (this.#link && address !== 'control') this.#dropped.away++
      span?.end('away')
      return
    }
    if (this.#batch.characters > maxWaitingCharacters) this.#drop('full')
    this.#added++
    this.#batch.add(busChannel, address, line, span)
    this.#sendSoon()
  }

  #sendSoon(): void {
    if (this.#scheduled || this.#sending || this.#batch.empty) return
    this.#scheduled = true
    const send = () => {
      this.#scheduled = false
      this.#send()
    }
    const wait = this.#sentAt + paceMs - performance.now()
    if (wait > 0) setTimeout(send, Math.ceil(wait))
    else setImmediate(send)
  }

  #send(): void {
    const link = this.#link
    if (!link || this.#sending || this.#batch.empty) return
    if (!link.passing) {
      this.#drop('away')
      return
    }
    this.#sentAt = performance.now()
    this.#dropped.late += this.#batch.dropBefore(this.#sentAt - maxAgeMs)
    if (this.#batch.empty) return
    const { since } = this.#batch
    const notAfter = link.notAfter(maxAgeMs, since)
    const { pairs, count, spans } = this.#batch.take(this.#node, maxAtOnce, link.time(since))
    this.#sending = link
      .call(scripts => scripts.publishBatch(notAfter, pairs))
      .then(
        ({ clock, late }) => {
          link.learnClock(clock)
          if (late) this.#dropped.late += count
          endAll(spans, late ? 'late' : undefined)
        },
        () => {
          this.#dropped.unanswered += count
          endAll(spans, 'unanswered')
        },
      )
      .finally(() => {
        this.#sending = undefined
        this.#sendSoon()
      })
  }

  /** In milliseconds. Of what is numbered it is not known: whoever comes later gets that from the history all the same. */
  #ageOf(message: BusMessage, link: RedisLink): number {
    if (!('at' in message) || message.at === 0) return Number.NaN
    const now = link.time()
    return now === 0 ? Number.NaN : now - message.at
  }

  #drop(reason: DropReason): void {
    this.#dropped[reason] += this.#batch.clear(reason)
  }

  async #subscribe(
    busChannel: string,
    kind: BusKind,
    receive: (message: BusMessage, age: number) => void,
  ): Promise<boolean> {
    const link = this.#link
    if (!link) return false
    const confirmed = link.pubsub
      .subscribe(busChannel, payload => {
        const message = decodeMessage(payload, this.#node)
        if (message.kind === 'own') return
        if (message.kind === 'foreign') this.#foreign.note(kind, busChannel)
        const age = this.#ageOf(message, link)
        if (age > staleMs) this.#dropped.stale += 'count' in message ? message.count : 1
        else receive(message, age / 1_000)
      })
      .then(
        () => true,
        () => false,
      )
    if (!link.connected) return false
    return (await link.whilePrompt(confirmed, this.#confirmMs)) ?? false
  }
}

/** A publication on its way to the other nodes. */
export function busSpan(trace: string, channel: string): Traced | undefined {
  const attributes = { [spanAttributes.operation]: 'publish', [spanAttributes.operationType]: 'send' }
  return follow(trace, 'bus publish', {
    kind: 'producer',
    attributes: { ...attributes, ...channelAttributes(channel, 'realtime') },
  })
}
