import { setTimeout as delay } from 'node:timers/promises'
import type { OpenCounts } from './group-store.ts'
import { PartitionProgress, type ProgressParts } from './partition-progress.ts'
import type { RunnerParts } from './runner.ts'
import type { Slots } from './slots.ts'
import { sqlState } from './sql-state.ts'
import type { HeldPartition } from './tick.ts'

export interface PartitionParts extends RunnerParts, Pick<ProgressParts, 'onSuppressed'> {
  /** Turns of the group that may be under way at a time in this process. */
  readonly slots: Slots
  /** Something could not be done, and is tried again. */
  readonly onTrouble: (error: unknown) => void
}

/** `released`: everything that was begun is settled. `lost`: the place is another member's, or may be. */
export type WorkEnd = 'released' | 'lost'

/** The checkpoint of what no handler wants is written so often at most. */
const idleWriteMs = 1_000
const lookMs = 1_000
const restAfterTroubleMs = { first: 100, most: 5_000 }
/** Postgres: the ledger does not have what was to be passed. */
const notInLedger = 'HF007'

/** Works through one partition for an ordered group, for as long as this member holds it. */
export class PartitionWork {
  readonly #partition: number
  readonly #parts: PartitionParts
  readonly #progress: PartitionProgress
  readonly #lost = new AbortController()
  #rest = new AbortController()
  #paused = false
  #finishing = false
  #troubles = 0

  constructor({ partition, epoch, position, fence }: HeldPartition, parts: PartitionParts) {
    this.#partition = partition
    this.#parts = parts
    const place = { group: parts.name, partition, epoch, fence }
    this.#progress = new PartitionProgress(place, position, { ...parts, lost: this.#lost })
  }

  /** Never rejects. */
  async run(): Promise<WorkEnd> {
    const unwatch = this.#parts.news.watch(this.#partition)
    while (this.#going) await this.#goOn()
    if (!this.#isLost) await this.#progress.writeCheckpoint().catch(this.#parts.onTrouble)
    unwatch()
    return this.#isLost ? 'lost' : 'released'
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
    if (this.#progress.compare(counts)) this.#wake()
  }

  get #isLost(): boolean {
    return this.#lost.signal.aborted
  }

  get #going(): boolean {
    return !this.#finishing && !this.#isLost
  }

  async #goOn(): Promise<void> {
    try {
      const worked = !this.#paused && (await this.#parts.slots.within(() => this.#pass()))
      this.#troubles = 0
      const { unwrittenMs } = this.#progress
      const wait = unwrittenMs === undefined ? lookMs : idleWriteMs - unwrittenMs
      if (wait <= 0) await this.#progress.writeCheckpoint()
      else if (!worked) await this.#sleep(wait)
    } catch (error) {
      this.#parts.onTrouble(error)
      const unreal = sqlState(error) === notInLedger
      const { first, most } = restAfterTroubleMs
      const rest = unreal ? lookMs : Math.min(first * 2 ** this.#troubles++, most) * (0.5 + Math.random())
      await delay(rest, undefined, { signal: this.#restSignal() }).catch(() => undefined)
      // What is in hand must not be taken for the events that get its positions next: the place is begun anew.
      if (unreal) this.lose()
    }
  }

  /** One turn of each kind, so that neither waits for the end of the other. False: there was nothing to do. */
  async #pass(): Promise<boolean> {
    if (!this.#going) return false
    const redone = await this.#progress.passDue()
    return (this.#going && (await this.#progress.passLog())) || redone
  }

  /** Until there is news, something is due by itself, or somebody wakes it. */
  async #sleep(ms: number): Promise<void> {
    const { news } = this.#parts
    const { dueInMs, newsAbove } = this.#progress
    const signal = this.#restSignal()
    if (this.#paused) return news.wait(this.#partition, Number.POSITIVE_INFINITY, ms, signal)
    await news.wait(this.#partition, newsAbove, Math.max(1, Math.min(ms, dueInMs)), signal)
  }

  #restSignal(): AbortSignal {
    if (this.#rest.signal.aborted) this.#rest = new AbortController()
    if (!this.#going) this.#rest.abort()
    return this.#rest.signal
  }

  #wake(): void {
    this.#rest.abort()
  }
}
