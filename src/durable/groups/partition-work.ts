import { setTimeout as delay } from 'node:timers/promises'
import type { StoredEvent } from '../../domain/index.ts'
import { BlockedChannels } from './blocked-channels.ts'
import { endDeliveries, moveCheckpoint, type NewRow, type Place } from './delivery-rows.ts'
import type { Failure } from './failure.ts'
import type { OpenCounts } from './group-store.ts'
import type { TurnItem } from './handler-call.ts'
import { nextStep } from './log-step.ts'
import type { HeldPartition, RunnerParts } from './runner.ts'
import type { Slots } from './slots.ts'
import type { TurnWork } from './turn.ts'
import { TurnSizes } from './turn-sizes.ts'

export interface PartitionParts extends RunnerParts {
  /** Turns of the group that may be under way at a time in this process. */
  readonly slots: Slots
  /** Something could not be done, and is tried again. */
  readonly onTrouble: (error: unknown) => void
  /** So many were handled, and taken back: somebody else had settled them. */
  readonly onSuppressed: (count: number) => void
}

/** `released`: everything that was begun is settled. `lost`: the place is another member's, or may be. */
export type WorkEnd = 'released' | 'lost'

/** Above so many open deliveries a partition stops: whatever is wrong there concerns more than some channels. */
export const maxOpen = 10_000
/** The checkpoint of what no handler wants is written so often at most. */
const idleWriteMs = 1_000
const lookMs = 1_000
const restAfterTroubleMs = { first: 100, most: 5_000 }

/** Works through one partition for an ordered group: what is due of what it still owes, and the log from its checkpoint. */
export class PartitionWork {
  readonly partition: number
  readonly #parts: PartitionParts
  readonly #place: Place
  readonly #sizes: TurnSizes
  readonly #lost = new AbortController()
  #rest = new AbortController()
  #blocked: BlockedChannels | undefined
  #events: readonly StoredEvent[] = []
  #through: number
  /** As the database has it; `#position` is ahead of it by events that no handler wants. */
  #checkpoint: number
  #position: number
  #written = performance.now()
  #paused = false
  #finishing = false
  #full = false
  #troubles = 0

  constructor(held: HeldPartition, parts: PartitionParts) {
    const { partition, epoch, position, fence } = held
    this.partition = partition
    this.#parts = parts
    this.#place = { group: parts.name, partition, epoch, fence }
    this.#sizes = new TurnSizes(parts.settings.batchSize)
    this.#checkpoint = position
    this.#position = position
    this.#through = position
  }

  /** Never rejects. */
  async run(): Promise<WorkEnd> {
    const unwatch = this.#parts.news.watch(this.partition)
    try {
      while (!this.#finishing && !this.#lost.signal.aborted) await this.#goOn()
      if (!this.#lost.signal.aborted) await this.#writeCheckpoint().catch(this.#parts.onTrouble)
      return this.#lost.signal.aborted ? 'lost' : 'released'
    } finally {
      unwatch()
    }
  }

  /** Finishes what is in hand, then ends. */
  finish(): void {
    this.#finishing = true
    this.#wake()
  }

  /** Aborts what is in hand, and ends. */
  lose(): void {
    this.#lost.abort()
    this.#wake()
  }

  set paused(paused: boolean) {
    if (paused === this.#paused) return
    this.#paused = paused
    this.#wake()
  }

  /** Looks whether somebody has decided about its open deliveries. */
  compare(counts: OpenCounts | undefined): void {
    if (!this.#blocked?.differsFrom(counts, performance.now())) return
    this.#blocked = undefined
    this.#wake()
  }

  async #goOn(): Promise<void> {
    try {
      const worked = !this.#paused && (await this.#parts.slots.within(() => this.#pass()))
      this.#troubles = 0
      const wait =
        this.#position > this.#checkpoint ? idleWriteMs - (performance.now() - this.#written) : lookMs
      if (wait <= 0) await this.#writeCheckpoint()
      else if (!worked) await this.#sleep(wait)
    } catch (error) {
      this.#parts.onTrouble(error)
      const { first, most } = restAfterTroubleMs
      const rest = Math.min(first * 2 ** this.#troubles++, most) * (0.5 + Math.random())
      await delay(rest, undefined, { signal: this.#restSignal() }).catch(() => undefined)
    }
  }

  /** One turn of each kind, so that neither waits for the end of the other. False: there was nothing to do. */
  async #pass(): Promise<boolean> {
    if (this.#finishing || this.#lost.signal.aborted) return false
    const { store, name } = this.#parts
    this.#blocked ??= new BlockedChannels(await store.openRows(name, this.partition), performance.now())
    const redone = await this.#passDue(this.#blocked)
    if (this.#isFull(this.#blocked) || this.#finishing || this.#lost.signal.aborted) return redone
    return (await this.#passLog(this.#blocked)) || redone
  }

  async #passDue(blocked: BlockedChannels): Promise<boolean> {
    const { store, routes } = this.#parts
    const rows = blocked.due(performance.now(), this.#sizes.next)
    if (rows.length === 0) return false
    const positions = rows.map(({ position }) => position)
    const events = new Map((await store.events(this.partition, positions)).map(each => [each.position, each]))
    // What was erased, or has no handler any more, is settled with the others.
    const items = rows.flatMap(({ position, attempts }) => {
      const event = events.get(position)
      const route = event && routes.match(event.channel, event.type)
      return route ? [{ event, route, attempt: attempts + 1 }] : []
    })
    const settled = () => blocked.end(rows)
    if (items.length === 0) {
      if (await store.endDeliveries(this.#place, positions)) settled()
      else this.lose()
      return true
    }
    const failed = await this.#turn(items, tx => endDeliveries(tx, this.#place, positions), settled)
    if (!failed) return true
    const row = failedRow(failed.item, failed.failure)
    const { position, channel } = failed.item.event
    if (!(await store.oweAgain(this.#place, { ...row, position }))) this.lose()
    else blocked.add({ ...row, position, channel }, performance.now())
    return true
  }

  async #passLog(blocked: BlockedChannels): Promise<boolean> {
    const { store, reader, routes, settings } = this.#parts
    if (this.#through <= this.#position) {
      const limit = Math.max(100, Math.min(settings.batchSize * 5, 1_000))
      const page = await reader.read({ ...this.#place, from: this.#position + 1, limit })
      if (page.through <= this.#position) return false
      this.#events = page.events
      this.#through = page.through
    }
    const stepOf = (items: number) =>
      nextStep(this.#events, this.#through, routes, blocked, { items, waiting: maxOpen - blocked.size })
    const step = stepOf(this.#sizes.next)
    const settled = (to: number, used: number, rows: readonly NewRow[]) => {
      this.#advance(to, used)
      this.#checkpoint = to
      this.#written = performance.now()
      for (const { event, ...row } of rows) blocked.add({ ...event, ...row }, this.#written)
    }
    const write = async (to: number, used: number, rows: readonly NewRow[]) => {
      if (await store.moveCheckpoint(this.#place, this.#checkpoint, to, rows)) settled(to, used, rows)
      else this.lose()
    }
    const waiting = step.waiting.map(waitingRow)
    if (step.items.length === 0) {
      if (waiting.length > 0) await write(step.to, step.used, waiting)
      else this.#advance(step.to, step.used)
      return true
    }
    const failed = await this.#turn(
      step.items.map(item => ({ ...item, attempt: 1 })),
      tx => moveCheckpoint(tx, this.#place, this.#checkpoint, step.to, waiting),
      () => settled(step.to, step.used, waiting),
    )
    if (!failed) return true
    const alone = stepOf(1)
    await write(alone.to, alone.used, [
      ...alone.waiting.map(waitingRow),
      { event: failed.item.event, ...failedRow(failed.item, failed.failure) },
    ])
    return true
  }

  /**
   * Handles items in one transaction. Returns the first of them where it has failed, which is then for the caller to write;
   * if another one failed, the next turns are planned so that it becomes the first.
   * @throws what kept Postgres from it
   */
  async #turn(
    items: readonly TurnItem[],
    settle: NonNullable<TurnWork['settle']>,
    settled: () => void,
  ): Promise<{ readonly item: TurnItem; readonly failure: Failure } | undefined> {
    const { turns, settings } = this.#parts
    const { epoch } = this.#place
    const result = await turns.run({ settings, epoch, items, settle, signal: this.#lost.signal })
    switch (result.kind) {
      case 'settled':
        this.#sizes.settled()
        settled()
        return
      case 'failed': {
        const [item] = items
        if (result.index === 0 && item) {
          this.#sizes.settled()
          return { item, failure: result.failure }
        }
        this.#sizes.failed(items.length, result.index)
        return
      }
      case 'unavailable':
        throw result.error
      case 'lost':
        this.#parts.onSuppressed(items.length)
        this.lose()
        return
      case 'aborted':
        this.lose()
    }
  }

  #advance(to: number, used: number): void {
    this.#events = this.#events.slice(used)
    this.#position = to
  }

  async #writeCheckpoint(): Promise<void> {
    const to = this.#position
    if (to <= this.#checkpoint) return
    this.#written = performance.now()
    if (await this.#parts.store.moveCheckpoint(this.#place, this.#checkpoint, to, [])) this.#checkpoint = to
    else this.lose()
  }

  #isFull({ size }: BlockedChannels): boolean {
    const full = size >= maxOpen
    if (full && !this.#full)
      this.#parts.logger.error(
        { partition: this.partition, open: size },
        'a partition of a consumer group stands still: too many deliveries are parked or wait behind one',
      )
    this.#full = full
    return full
  }

  /** Until there is news, something is due by itself, or somebody wakes it. */
  async #sleep(ms: number): Promise<void> {
    const now = performance.now()
    const dueIn = this.#paused ? Number.POSITIVE_INFINITY : (this.#blocked?.dueIn(now) ?? 0)
    const above = this.#paused || this.#full ? Number.POSITIVE_INFINITY : this.#position
    const signal = this.#restSignal()
    await this.#parts.news.wait(this.partition, above, Math.max(1, Math.min(ms, dueIn)), signal)
  }

  #restSignal(): AbortSignal {
    if (this.#rest.signal.aborted) this.#rest = new AbortController()
    if (this.#finishing || this.#lost.signal.aborted) this.#rest.abort()
    return this.#rest.signal
  }

  #wake(): void {
    this.#rest.abort()
  }
}

function waitingRow(event: StoredEvent): NewRow {
  return { event, state: 'waiting', attempts: 0, reason: null, dueInMs: 0 }
}

function failedRow({ attempt: attempts }: TurnItem, failure: Failure): Omit<NewRow, 'event'> {
  const { reason } = failure
  if (failure.kind === 'park') return { state: 'parked', attempts, reason, dueInMs: 0 }
  return { state: 'retrying', attempts, reason, dueInMs: Math.ceil(failure.afterMs) }
}
