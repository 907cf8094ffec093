import { HoldfastError, type Position } from '../domain/index.ts'
import type { Logger } from '../platform/index.ts'
import { encodePublication, pushPublication } from '../protocol/index.ts'
import { fannedOut } from '../tracing/index.ts'
import { AppendQueue, type Fate, metaBeyondHistoryMs } from './append-queue.ts'
import { type Bus, busSpan } from './bus.ts'
import { placedHead } from './envelope.ts'
import { isRefusal, refusesAllWrites } from './fate.ts'
import type { GapFill } from './gap-fill.ts'
import type { Keys } from './keys.ts'
import type { KnownKeys } from './known-keys.ts'
import type { LiveChannels } from './live-channels.ts'
import type { Marks } from './marks.ts'
import type { RedisLink } from './redis-link.ts'
import type { RealtimePublish } from './tier.ts'

/** Publications that may wait for Redis before publishers are told to come back later. */
const maxWaiting = 10_000
/** Channels that may be owed a hole; publishers in others are told to come back later. */
const maxUnnumbered = 100_000
/** Channels whose numbering gets its hole in one write to Redis. */
const channelsAtOnce = 200
/** How often it is looked whether publications can be numbered again. */
const lookMs = 250
/** How long a Redis that has said no is left alone; doubles. */
const restMs = { first: 500, most: 2_000 }

export interface NumberingParts {
  readonly link: RedisLink
  readonly channels: LiveChannels
  readonly bus: Bus
  readonly gapFill: GapFill
  readonly marks: Marks
  readonly known: KnownKeys
  readonly keys: Keys
  readonly node: string
  readonly logger: Logger
}

/**
 * Publishes in channels that keep a history. Redis numbers, so that all subscribers see one order and can recover; this
 * node's own get a line by Redis' answer, the others by the bus.
 *
 * Nobody waits for a Redis that does not answer promptly or says no: from then on publications go out *without a
 * number*, here at once and to the other nodes over the bus, if that works. They are in no history, so before a
 * channel is numbered again one place of its numbering is left empty: whoever was there meanwhile, here or elsewhere,
 * can't recover over the hole, and is told.
 */
export class Numbering {
  readonly #parts: NumberingParts
  readonly #queue: AppendQueue
  readonly #look: NodeJS.Timeout
  readonly #onResumed = new Set<() => void>()
  /** Channels in which something was published without a number, with the time that their numbering is kept. */
  readonly #unnumbered = new Map<string, number>()
  #suspended = false
  #resuming: Promise<void> | undefined
  #restMs = restMs.first
  #restUntil = 0
  #published = 0
  #toldRefusal = false

  constructor(parts: NumberingParts) {
    this.#parts = parts
    this.#queue = new AppendQueue(parts.link, parts.keys, parts.node)
    this.#look = setInterval(() => this.#resume(), lookMs)
    this.#look.unref()
    parts.link.onSlow(() => this.#suspend('redis is away or slow'))
  }

  /** Publications that went out without a number although their channel keeps a history, since the start. */
  get published(): number {
    return this.#published
  }

  /** Whether publications are numbered, or will be as soon as their channel has its hole. */
  get active(): boolean {
    return !this.#suspended
  }

  /** Whether places in the channel can be relied on: nothing was published without a number since the last one. */
  numbers(channel: string): boolean {
    return !this.#suspended && !this.#unnumbered.has(channel)
  }

  /** Called when publications are numbered again after a time without. */
  onResumed(listener: () => void): void {
    this.#onResumed.add(listener)
  }

  /**
   * Its place; undefined where it went without.
   * @throws HoldfastError OVERLOADED
   */
  async publish(publication: RealtimePublish): Promise<Position | undefined> {
    const { channel } = publication
    if (!this.numbers(channel)) {
      if (this.#unnumbered.size >= maxUnnumbered && !this.#unnumbered.has(channel)) {
        throw new HoldfastError('OVERLOADED', 'too many channels are without a number')
      }
      return this.#publishWithout(publication, 'everywhere')
    }
    if (this.#queue.length >= maxWaiting) {
      throw new HoldfastError('OVERLOADED', 'too many publications wait for redis')
    }
    const mark = this.#parts.marks.next()
    const since = performance.now()
    const { trace } = publication
    const span = trace === undefined ? undefined : busSpan(trace, channel)
    const sent = span ? { ...publication, trace: span.traceparent } : publication
    return new Promise((resolve, reject) => {
      this.#queue.append(sent, mark, fate => {
        span?.end(fate.kind === 'placed' || fate.kind === 'known' ? undefined : fate.kind)
        try {
          resolve(this.#settle(publication, mark, fate, since))
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  /** Leaves the holes that are due, if Redis takes them now. */
  async close(): Promise<void> {
    clearInterval(this.#look)
    this.#onResumed.clear()
    this.#restUntil = 0
    this.#resume()
    await this.#resuming
  }

  #settle(publication: RealtimePublish, mark: string, fate: Fate, since: number): Position | undefined {
    const { marks, bus, link } = this.#parts
    if (fate.kind !== 'doubtful') marks.settle(mark)
    switch (fate.kind) {
      case 'placed':
        this.#deliver(publication, fate.place, fate.line, since)
        return fate.place
      case 'known':
        return fate.place
      case 'doubtful':
        this.#suspend('redis has not answered in time')
        // Longer than it may still be carried out, so that the hole comes behind it on whatever connection.
        this.#restUntil = Math.max(this.#restUntil, performance.now() + 2 * link.promptMs)
        return marks.giveUp(mark) ? this.#publishWithout(publication, 'here') : undefined
      case 'overtaken':
        bus.noteLate()
        this.#refused(fate.error)
        return this.#publishWithout(publication, 'here')
      case 'refused':
        this.#refused(fate.error)
        return this.#publishWithout(publication, 'everywhere')
      case 'unsent':
        return this.#publishWithout(publication, 'everywhere')
    }
  }

  #deliver({ channel, trace }: RealtimePublish, place: Position, line: string, since: number): void {
    const live = this.#parts.channels.get(channel)
    if (!live) return
    live.clock((performance.now() - since) / 1_000)
    const before = live.place
    const taken = live.takeNext(place, line)
    live.unclock()
    if (!taken) this.#parts.gapFill.wait(live, place, line)
    else if (trace !== undefined && live.place !== before)
      fannedOut(trace, { channel, tier: 'realtime', subscribers: live.size, offset: place.offset })
  }

  #publishWithout(publication: RealtimePublish, to: 'here' | 'everywhere'): undefined {
    const { channel, data, info, tags, idempotencyKey, options, trace } = publication
    const encoded = encodePublication({
      data,
      ...(info && { info }),
      ...(tags && { tags }),
      time: Date.now(),
    })
    const line = pushPublication(channel, encoded)
    this.#published++
    if (idempotencyKey !== undefined) this.#parts.known.add(channel, idempotencyKey)
    if (to === 'everywhere') this.#parts.bus.send(channel, 'all', line, trace)
    const live = this.#parts.channels.get(channel)
    if (live) this.#parts.gapFill.release(live)
    live?.publishUnnumbered(line)
    if (live) fannedOut(trace, { channel, tier: 'realtime', subscribers: live.size })
    this.#goWithout(channel, options.history.ttlSeconds * 1_000 + metaBeyondHistoryMs)
  }

  /** From here on, until the channel has its hole; also those that wait already. */
  #goWithout(channel: string, metaTtlMs: number): void {
    const known = this.#unnumbered.has(channel)
    this.#unnumbered.set(channel, metaTtlMs)
    if (!known) this.#queue.releaseChannel(channel)
  }

  /** One channel may be refused for a reason of its own; a server that takes no writes refuses all. */
  #refused(error: unknown): void {
    if (!this.#toldRefusal) this.#parts.logger.warn({ err: error }, 'redis refuses to number publications')
    this.#toldRefusal = true
    if (refusesAllWrites(error)) this.#suspend('redis takes no writes')
    this.#rest()
  }

  #suspend(reason: string): void {
    if (this.#suspended) return
    this.#suspended = true
    this.#queue.release()
    this.#parts.logger.warn({ reason }, 'publications in channels with history go out without a number')
  }

  #rest(): void {
    this.#restUntil = performance.now() + this.#restMs
    this.#restMs = Math.min(this.#restMs * 2, restMs.most)
  }

  #resume(): void {
    if (this.#resuming || !this.#parts.link.prompt || performance.now() < this.#restUntil) return
    if (!this.#suspended && this.#unnumbered.size === 0) return
    this.#resuming = this.#leaveHoles().finally(() => {
      this.#resuming = undefined
    })
  }

  async #leaveHoles(): Promise<void> {
    const suspended = this.#suspended
    do {
      // From here on what is published in these channels waits for its number, behind their holes. In the others that
      // are still on the list it goes without.
      this.#suspended = false
      const leaving = this.#leavePart(this.#takeUnnumbered())
      this.#queue.hold(leaving)
      if (!(await leaving)) break
    } while (this.#unnumbered.size > 0)
    if (this.#suspended) return
    if (this.#unnumbered.size === 0) {
      this.#restMs = restMs.first
      this.#toldRefusal = false
    }
    if (!suspended) return
    this.#parts.logger.info('publications in channels with history are numbered again')
    for (const listener of this.#onResumed) listener()
  }

  /** Whether all of them have their holes. */
  async #leavePart(part: readonly (readonly [string, number])[]): Promise<boolean> {
    const { link } = this.#parts
    const left = await link.whilePrompt(this.#leave(part), link.promptMs)
    const failed = part.filter((_, i) => left?.[i] !== 'done')
    if (left && failed.length === 0) return true
    this.#rest()
    if (!left || left.some(refusesAllWrites)) this.#suspend('holes can’t be left')
    for (const [channel, metaTtlMs] of failed) this.#goWithout(channel, metaTtlMs)
    return false
  }

  #takeUnnumbered(): (readonly [string, number])[] {
    const taken: (readonly [string, number])[] = []
    for (const entry of this.#unnumbered) {
      if (taken.length === channelsAtOnce) break
      taken.push(entry)
      this.#unnumbered.delete(entry[0])
    }
    return taken
  }

  /** Undefined where it is not known whether they have their holes, so that they may get second ones. */
  async #leave(
    channels: readonly (readonly [string, number])[],
  ): Promise<('done' | 'late' | Error)[] | undefined> {
    if (channels.length === 0) return []
    const { link, bus, keys, node } = this.#parts
    const messageHead = placedHead(node, 'skipped')
    const skips = channels.map(([channel, metaTtlMs]) => {
      return { keys: keys.history(channel), metaTtlMs, busChannel: keys.bus(channel), messageHead }
    })
    try {
      // What went out without a number is ahead of what gets one, for whoever hears it over the bus.
      await bus.sent()
      return await link.ask(scripts => scripts.skipOffsets(skips, link.notAfter(link.promptMs)))
    } catch (error) {
      return isRefusal(error) ? channels.map(() => error as Error) : undefined
    }
  }
}
