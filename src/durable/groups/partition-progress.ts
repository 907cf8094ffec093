import type { StoredEvent } from '../../domain/index.ts'
import { BlockedChannels } from './blocked-channels.ts'
import {
  endDeliveries,
  failedRow,
  moveCheckpoint,
  type NewRow,
  type Place,
  waitingRow,
} from './delivery-rows.ts'
import type { Failure } from './failure.ts'
import type { OpenCounts } from './group-store.ts'
import type { TurnItem } from './handler-call.ts'
import { type LogStep, nextStep } from './log-step.ts'
import type { RunnerParts } from './runner.ts'
import type { TurnWork } from './turn.ts'
import { TurnSizes } from './turn-sizes.ts'

export interface ProgressParts extends RunnerParts {
  /** Nothing can be settled in this place any more. */
  readonly lost: AbortController
  /** So many were handled, and taken back: somebody else had settled them. */
  readonly onSuppressed: (count: number) => void
}

/** Above so many open deliveries a partition stops: whatever is wrong there concerns more than some channels. */
const maxOpen = 10_000
const pageSize = { least: 100, most: 1_000, batches: 5 }
/** What was read longer ago may have been erased since; erasures count on it. */
const pageMs = 5_000

/**
 * A partition's place in an ordered group, and how it moves: the checkpoint by compare-and-set, in the transaction of the
 * effects of what it passes.
 */
export class PartitionProgress {
  readonly #place: Place
  readonly #parts: ProgressParts
  /** Of what is owed, and of the log. */
  readonly #sizes: { readonly due: TurnSizes; readonly log: TurnSizes }
  #blocked: BlockedChannels | undefined
  #events: readonly StoredEvent[] = []
  #through: number
  #ageing: NodeJS.Timeout | undefined
  /** As the database has it; `#position` is ahead of it by events that no handler wants. */
  #checkpoint: number
  #position: number
  #written = performance.now()
  #full = false
  /** Since when a turn that is not full waits for more. */
  #heldSince: number | undefined

  constructor(place: Place, position: number, parts: ProgressParts) {
    this.#place = place
    this.#parts = parts
    const { batchSize } = parts.settings
    this.#sizes = { due: new TurnSizes(batchSize), log: new TurnSizes(batchSize) }
    this.#checkpoint = position
    this.#position = position
    this.#through = position
  }

  /** Everything up to here has been looked at; above it is news, unless too much is owed. */
  get newsAbove(): number {
    if (this.#full) return Number.POSITIVE_INFINITY
    return this.#heldSince === undefined
      ? this.#position
      : this.#position + this.#parts.settings.batchSize - 1
  }

  /** Milliseconds since the checkpoint was written; undefined while there is nothing to write. */
  get unwrittenMs(): number | undefined {
    return this.#position > this.#checkpoint ? performance.now() - this.#written : undefined
  }

  /** Milliseconds until something is due by itself: what is owed, or a turn that has waited for more. */
  get dueInMs(): number {
    const now = performance.now()
    const owed = this.#blocked?.dueIn(now) ?? 0
    if (this.#heldSince === undefined || this.#full) return owed
    return Math.min(owed, Math.max(0, this.#heldSince + this.#parts.settings.batchDelayMs - now))
  }

  /** Whether somebody has decided about its open deliveries; they are then read anew. */
  compare(counts: OpenCounts | undefined): boolean {
    if (!this.#blocked?.differsFrom(counts, performance.now())) return false
    this.#blocked = undefined
    return true
  }

  /** @throws what keeps Postgres from it */
  async writeCheckpoint(): Promise<void> {
    const to = this.#position
    if (to <= this.#checkpoint) return
    this.#written = performance.now()
    if (await this.#parts.store.moveCheckpoint(this.#place, this.#checkpoint, to, [])) this.#checkpoint = to
    else this.#lose()
  }

  /** Handles what is due of what is owed. False: nothing is. @throws what keeps Postgres from it */
  async passDue(): Promise<boolean> {
    const { store, routes, name } = this.#parts
    const { partition } = this.#place
    this.#blocked ??= new BlockedChannels(await store.openRows(name, partition), performance.now())
    const blocked = this.#blocked
    const rows = blocked.due(performance.now(), this.#sizes.due.next)
    if (rows.length === 0) return false
    const positions = rows.map(({ position }) => position)
    const events = new Map((await store.events(partition, positions)).map(each => [each.position, each]))
    // What was erased, or has no handler any more, is settled with the others.
    const items = rows.flatMap(({ position, attempts }) => {
      const event = events.get(position)
      const route = event && routes.match(event.channel, event.type)
      return route ? [{ event, route, attempt: attempts + 1 }] : []
    })
    if (items.length === 0) {
      if (await store.endDeliveries(this.#place, positions)) blocked.end(rows)
      else this.#lose()
      return true
    }
    const failed = await this.#turn(
      this.#sizes.due,
      items,
      tx => endDeliveries(tx, this.#place, positions),
      () => blocked.end(rows),
    )
    if (!failed) return true
    const row = failedRow(failed.item.attempt, failed.failure)
    const { position, channel } = failed.item.event
    if (!(await store.oweAgain(this.#place, { ...row, position }))) this.#lose()
    else blocked.add({ ...row, position, channel }, performance.now())
    return true
  }

  /** Handles what comes next in the log. False: nothing does. @throws what keeps Postgres from it */
  async passLog(): Promise<boolean> {
    const blocked = this.#blocked
    if (!blocked || this.#isFull(blocked) || this.#holdsBack() || !(await this.#read())) return false
    const step = this.#step(blocked, this.#sizes.log.next, this.#events, this.#through)
    const taken = this.#events.slice(0, step.used)
    const waiting = step.waiting.map(waitingRow)
    if (step.items.length === 0) {
      if (waiting.length > 0) await this.#write(blocked, step, waiting)
      else this.#advance(step)
      return true
    }
    const failed = await this.#turn(
      this.#sizes.log,
      step.items.map(item => ({ ...item, attempt: 1 })),
      tx => moveCheckpoint(tx, this.#place, this.#checkpoint, step.to, waiting),
      () => this.#settled(blocked, step, waiting),
    )
    if (!failed) return true
    const alone = this.#step(blocked, 1, taken, step.to)
    const { event, attempt } = failed.item
    // A handler that was declared meanwhile may want an earlier one.
    if (alone.items[0]?.event !== event) return true
    const row = { event, ...failedRow(attempt, failed.failure) }
    await this.#write(blocked, alone, [...alone.waiting.map(waitingRow), row])
    return true
  }

  /** Whether the next turn would not be full, and may wait for more. Nothing is read for that: positions are dense. */
  #holdsBack(): boolean {
    const { settings, news } = this.#parts
    const { batchSize, batchDelayMs } = settings
    if (batchDelayMs === 0) return false
    const now = performance.now()
    const there = (news.head(this.#place.partition) ?? Number.POSITIVE_INFINITY) - this.#position
    const full = there >= batchSize || this.#sizes.log.planned
    this.#heldSince = full || there <= 0 ? undefined : (this.#heldSince ?? now)
    return this.#heldSince !== undefined && now - this.#heldSince < batchDelayMs
  }

  /** Whether there are events in hand, or at least a stretch that was looked at. */
  async #read(): Promise<boolean> {
    if (this.#through > this.#position) return true
    const { least, most, batches } = pageSize
    const limit = Math.max(least, Math.min(this.#parts.settings.batchSize * batches, most))
    const page = await this.#parts.reader.read({ ...this.#place, from: this.#position + 1, limit })
    if (page.through <= this.#position) return false
    this.#events = page.events
    this.#through = page.through
    clearTimeout(this.#ageing)
    this.#ageing = setTimeout(() => this.#forget(), pageMs).unref()
    return true
  }

  /** Whatever is done meanwhile has what it needs. */
  #forget(): void {
    this.#events = []
    this.#through = this.#position
  }

  #step(blocked: BlockedChannels, items: number, events: readonly StoredEvent[], through: number): LogStep {
    const limits = { items, waiting: maxOpen - blocked.size }
    return nextStep(events, through, this.#parts.routes, blocked, limits)
  }

  /**
   * Handles items in one transaction. Returns the first of them where it has failed, which is then for the caller to write;
   * if another one failed, the next turns are planned so that it becomes the first.
   */
  async #turn(
    sizes: TurnSizes,
    items: readonly TurnItem[],
    settle: NonNullable<TurnWork['settle']>,
    onSettled: () => void,
  ): Promise<{ readonly item: TurnItem; readonly failure: Failure } | undefined> {
    const { name, turns, settings, meter, lost, onSuppressed } = this.#parts
    const { epoch } = this.#place
    const result = await turns.run({
      settings,
      group: name,
      epoch,
      items,
      settle,
      signal: lost.signal,
      duration: meter.duration,
    })
    const [first] = items
    switch (result.kind) {
      case 'settled':
        meter.done(items.length)
        sizes.settled()
        onSettled()
        return
      case 'failed':
        if (result.blame.index !== 0 || result.blame.count !== 1 || !first) {
          sizes.failed(result.blame)
          return
        }
        meter.failed(result)
        sizes.settled()
        return { item: first, failure: result.failure }
      case 'unavailable':
        throw result.error
      case 'lost':
        onSuppressed(items.length)
        this.#lose()
        return
      case 'aborted':
        this.#lose()
    }
  }

  async #write(blocked: BlockedChannels, step: LogStep, rows: readonly NewRow[]): Promise<void> {
    if (await this.#parts.store.moveCheckpoint(this.#place, this.#checkpoint, step.to, rows))
      this.#settled(blocked, step, rows)
    else this.#lose()
  }

  #settled(blocked: BlockedChannels, step: LogStep, rows: readonly NewRow[]): void {
    this.#advance(step)
    this.#checkpoint = step.to
    this.#written = performance.now()
    for (const { event, ...row } of rows)
      blocked.add({ ...row, position: event.position, channel: event.channel }, this.#written)
  }

  #advance({ to, used }: LogStep): void {
    this.#events = this.#events.slice(used)
    this.#position = to
    this.#heldSince = undefined
  }

  #isFull({ size }: BlockedChannels): boolean {
    const full = size >= maxOpen
    if (full && !this.#full) {
      this.#parts.logger.error(
        { partition: this.#place.partition, open: size },
        'a partition of a consumer group stands still: too many deliveries are parked or wait behind one',
      )
    }
    this.#full = full
    return full
  }

  #lose(): void {
    this.#parts.lost.abort()
  }
}
