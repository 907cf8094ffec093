import { setTimeout as delay } from 'node:timers/promises'
import { PartitionWork } from './partition-work.ts'
import type { Runner, RunnerParts } from './runner.ts'
import { Slots } from './slots.ts'
import type { HeldPartition, Tick } from './tick.ts'

interface Held {
  readonly work: PartitionWork
  readonly epoch: string
  readonly fence: number
  released: boolean
  ended: Promise<void>
}

/** Between two lines that say the same. */
const complainMs = 10_000

/** For aborted work to let go of its connections. */
const afterAbortMs = 300

/** Works through the partitions that this member holds, several at a time, each in the order of its events. */
export function createOrderedRunner(parts: RunnerParts): Runner {
  return new OrderedRunner(parts)
}

class OrderedRunner implements Runner {
  readonly #parts: RunnerParts
  readonly #slots: Slots
  readonly #held = new Map<number, Held>()
  /** Surplus that nothing was begun in, as after a lost lease: nobody but this process can let go of it. */
  #untouched: readonly number[] = []
  #paused = false
  #closing = false
  #comparing = false
  #complained = Number.NEGATIVE_INFINITY
  #suppressed = 0

  constructor(parts: RunnerParts) {
    this.#parts = parts
    this.#slots = new Slots(parts.settings.concurrency)
  }

  get partitions(): readonly number[] {
    return [...this.#held.keys()].sort((a, b) => a - b)
  }

  get suppressed(): number {
    return this.#suppressed
  }

  tick({ held, paused }: Tick): void {
    this.#paused = paused
    const listed = new Map(held.map(each => [each.partition, each]))
    for (const [partition, { work, epoch, fence }] of this.#held) {
      const now = listed.get(partition)
      if (now?.fence === fence && now.epoch === epoch) continue
      work.lose()
      this.#held.delete(partition)
    }
    for (const each of held) this.#take(each)
    this.#untouched = held.flatMap(({ partition, surplus }) =>
      surplus && !this.#held.has(partition) ? [partition] : [],
    )
    if (this.#untouched.length > 0) this.#parts.tickSoon()
    void this.#compare()
  }

  released(): readonly number[] {
    const finished = [...this.#held].flatMap(([partition, { released }]) => (released ? [partition] : []))
    return [...finished, ...this.#untouched]
  }

  lose(): void {
    for (const { work } of this.#held.values()) work.lose()
    this.#held.clear()
  }

  async close(withinMs: number): Promise<void> {
    this.#closing = true
    const all = [...this.#held.values()]
    for (const { work } of all) work.finish()
    const late = new AbortController()
    const lose = delay(withinMs, undefined, { signal: late.signal }).then(() => {
      for (const { work } of all) work.lose()
      // A settlement that Postgres does not answer is not waited for: its fate is the database's.
      return delay(afterAbortMs, undefined, { signal: late.signal })
    })
    await Promise.race([Promise.all(all.map(({ ended }) => ended)), lose])
    late.abort()
    lose.catch(() => undefined)
    this.#held.clear()
  }

  #take(each: HeldPartition): void {
    const known = this.#held.get(each.partition)
    if (known) known.work.paused = this.#paused
    else if (!this.#closing && !each.surplus) this.#begin(each)
    if (each.surplus) known?.work.finish()
  }

  #begin(each: HeldPartition): void {
    const { partition, epoch, fence } = each
    const work = new PartitionWork(each, {
      ...this.#parts,
      slots: this.#slots,
      onTrouble: error => this.#complain(error),
      onSuppressed: count => {
        this.#suppressed += count
      },
    })
    work.paused = this.#paused
    const held: Held = { work, epoch, fence, released: false, ended: Promise.resolve() }
    this.#held.set(partition, held)
    held.ended = work.run().then(end => {
      if (this.#held.get(partition) !== held) return
      if (end === 'released') held.released = true
      else this.#held.delete(partition)
      this.#parts.tickSoon()
    })
  }

  /** A person's decision about a delivery is seen within a tick. */
  async #compare(): Promise<void> {
    if (this.#comparing || this.#held.size === 0) return
    this.#comparing = true
    try {
      const all = await this.#parts.store.openCounts(this.#parts.name, this.partitions)
      const counts = new Map(all.map(each => [each.partition, each]))
      for (const [partition, { work }] of this.#held) work.compare(counts.get(partition))
    } catch {
      // The next tick compares again.
    } finally {
      this.#comparing = false
    }
  }

  #complain(error: unknown): void {
    const now = performance.now()
    if (now - this.#complained < complainMs) return
    this.#complained = now
    this.#parts.logger.warn({ err: error }, 'a consumer group could not go on; it tries again')
  }
}
