import type { StoredEvent } from '../../domain/index.ts'
import { Appetite } from './competing-appetite.ts'
import { Backlog, type Batch } from './competing-backlog.ts'
import { dueManner } from './competing-due.ts'
import { freshManner } from './competing-fresh.ts'
import { takePositions } from './competing-store.ts'
import type { GroupStream, LogPlace } from './competing-stream.ts'
import { type Handled, handleItems, type Manner } from './competing-turns.ts'
import type { TurnItem } from './handler-call.ts'
import type { RunnerParts } from './runner.ts'

/** How long an event is left to somebody else who is at work on it. */
const busyMs = 3_000
/** What was read longer ago may have been erased since; erasures count on it. */
const heldMs = 5_000

export interface WorkHooks {
  /** Something of this partition could not be settled or acknowledged. */
  readonly doubt: (partition: number) => void
  /** A turn has ended, or there is something new to do. */
  readonly stirred: () => void
}

/** What a process has in hand for a competing group: takes events in, and has them handled, so many turns at a time. */
export class CompetingWork {
  readonly #parts: RunnerParts
  readonly #stream: GroupStream | undefined
  readonly #hooks: WorkHooks
  readonly #backlog = new Backlog()
  readonly #appetite = new Appetite()
  readonly #running = new Set<Promise<void>>()
  readonly #abort = new AbortController()
  #due: readonly TurnItem[] = []
  #dueSince = 0
  #suppressed = 0
  #owedAt = Number.POSITIVE_INFINITY
  #later: NodeJS.Timeout | undefined

  constructor(parts: RunnerParts, stream: GroupStream | undefined, hooks: WorkHooks) {
    this.#parts = parts
    this.#stream = stream
    this.#hooks = hooks
  }

  get suppressed(): number {
    return this.#suppressed
  }

  /** Turns that could be at work and are not. */
  get free(): number {
    return this.#parts.settings.concurrency - this.#running.size
  }

  /** Whether more has to be read for it. */
  get hungry(): boolean {
    const { batchSize, batchDelayMs, concurrency } = this.#parts.settings
    // What waits for more to come must not keep that away.
    const enough = batchDelayMs > 0 ? batchSize * concurrency : 1
    return this.free > 0 && this.#backlog.size < enough && this.#due.length === 0
  }

  /** Whether something that this process owes again is due by now. */
  owedBy(now: number): boolean {
    return this.#owedAt <= now
  }

  get dueWaiting(): boolean {
    return this.#due.length > 0
  }

  /** How many events to read at a time for so many turns. */
  countFor(turns: number): number {
    return this.#appetite.count(turns * this.#parts.settings.batchSize)
  }

  /** Takes events in; those that no handler matches are settled at once. Never rejects. */
  async accept(place: LogPlace, events: readonly StoredEvent[]): Promise<void> {
    const items: TurnItem[] = []
    const passed: number[] = []
    for (const event of events) {
      const route = this.#parts.routes.match(event.channel, event.type)
      if (route) items.push({ event, route, attempt: 1 })
      else passed.push(event.position)
    }
    this.#appetite.learn(events, items.length)
    this.#backlog.add(place, items)
    this.#hooks.stirred()
    await this.settle(place, passed)
  }

  /** Settles positions that there is nothing to do for. Never rejects. */
  async settle(place: LogPlace, positions: readonly number[]): Promise<void> {
    if (positions.length === 0) return
    const { store, name } = this.#parts
    try {
      await store.run(sql => takePositions(sql, name, place, positions))
      await this.#acknowledge(place, positions)
    } catch {
      this.#hooks.doubt(place.partition)
    }
  }

  /** Deliveries that are due now. */
  acceptDue(items: readonly TurnItem[]): void {
    if (this.#due.length === 0) this.#dueSince = performance.now()
    this.#due = [...this.#due, ...items]
    this.#owedAt = Number.POSITIVE_INFINITY
  }

  /** Begins as many turns as there is room and work for. */
  start(): void {
    this.#drop(performance.now() - heldMs)
    while (this.free > 0) {
      const turn = this.#nextTurn()
      if (!turn) return
      const running = turn.finally(() => {
        this.#running.delete(running)
        this.#hooks.stirred()
      })
      this.#running.add(running)
    }
  }

  /** Lets go of what is not being handled; it stays unsettled. */
  drop(): void {
    clearTimeout(this.#later)
    this.#drop(Number.POSITIVE_INFINITY)
  }

  /** Waits for the turns under way, at most so long, and aborts the rest. */
  async finish(withinMs: number): Promise<void> {
    const timer = setTimeout(() => this.#abort.abort(), withinMs)
    await Promise.all(this.#running)
    clearTimeout(timer)
  }

  #drop(before: number): void {
    if (this.#dueSince < before) this.#due = []
    for (const partition of this.#backlog.drop(before)) this.#hooks.doubt(partition)
  }

  #nextTurn(): Promise<void> | undefined {
    const { batchSize, batchDelayMs } = this.#parts.settings
    if (this.#due.length > 0) {
      const items = this.#due.slice(0, batchSize)
      this.#due = this.#due.slice(batchSize)
      return this.#handleDue(items)
    }
    const batch = this.#backlog.next(batchSize, batchDelayMs)
    if (batch) return this.#handleFresh(batch)
    if (batchDelayMs > 0) this.#startLater(this.#backlog.dueIn(batchDelayMs))
    return undefined
  }

  #startLater(ms: number): void {
    clearTimeout(this.#later)
    if (ms < Number.POSITIVE_INFINITY) this.#later = setTimeout(() => this.#hooks.stirred(), Math.ceil(ms))
  }

  async #handleDue(items: readonly TurnItem[]): Promise<void> {
    const { store, name, log } = this.#parts
    await this.#handle(log.ledger.epoch, dueManner(store, name), items)
  }

  async #handleFresh(batch: Batch): Promise<void> {
    const { place, items } = batch
    const { store, name } = this.#parts
    const { ended, left, busy, suppressed } = await this.#handle(
      place.epoch,
      freshManner(store, name, place),
      items,
    )
    this.#suppressed += suppressed
    await this.#acknowledge(
      place,
      ended.map(({ event }) => event.position),
    )
    // Only now: until they are acknowledged, one's own pending list has them.
    this.#release({ place, items: [...ended, ...left] }, left.length > 0)
    if (busy.length > 0) setTimeout(() => this.#release({ place, items: busy }, true), busyMs).unref()
  }

  /** What is not settled is looked for again, which must not find it held. */
  #release(batch: Batch, again: boolean): void {
    this.#backlog.release(batch)
    if (again) this.#hooks.doubt(batch.place.partition)
  }

  async #handle(epoch: string, manner: Manner, items: readonly TurnItem[]): Promise<Handled> {
    const { name, settings, turns, meter, logger } = this.#parts
    const { signal } = this.#abort
    const handled = await handleItems({ name, settings, epoch, turns, meter, signal, logger }, manner, items)
    this.#owedAt = Math.min(this.#owedAt, performance.now() + handled.owedInMs)
    return handled
  }

  async #acknowledge(place: LogPlace, positions: readonly number[]): Promise<void> {
    if (!this.#stream?.reachable) return
    await this.#stream.acknowledge(place, positions).catch(() => this.#hooks.doubt(place.partition))
  }
}
