import type { StoredEvent } from '../../domain/index.ts'
import { Coverage } from './competing-coverage.ts'
import { eventsOf } from './competing-intake.ts'
import { members, raiseFloors, readUnsettled, type Unsettled } from './competing-store.ts'
import type { GroupStream, LogPlace } from './competing-stream.ts'
import type { GroupStore } from './group-store.ts'
import type { News } from './news.ts'
import type { HeldPartition } from './tick.ts'

export interface KeeperParts {
  readonly group: string
  readonly member: string
  readonly store: GroupStore
  /** Undefined without a Redis. */
  readonly stream: GroupStream | undefined
  readonly news: News
  /** How long something may stay unsettled before whoever was given it counts as lost. */
  readonly patienceMs: number
  /** Takes over what was claimed. */
  readonly accept: (place: LogPlace, events: readonly StoredEvent[]) => Promise<void>
  /** The log hands out to the group from now on. */
  readonly onGroup: (partition: number) => void
}

interface Kept {
  readonly place: LogPlace
  readonly fence: number
  readonly coverage: Coverage
  floor: number
  /** Redis has to be told of the group. */
  noGroup: boolean
  /** When consumers that are gone were looked for. */
  tidiedAt: number
  claimedAt: number
}

/** Most positions one look at the ledger goes over, and most floors raised in one statement. */
const window = 5_000
const raisedAtOnce = 16
/** How often it is looked for consumers that are gone while something is not settled; else when a member has gone. */
const tidyMs = 5_000

/**
 * What the holder of a partition's lease does for everybody: raises the floor, sees that Redis hands out what the log
 * has, takes over what was handed to those that are gone, and reads from the ledger what nobody is handed any more.
 */
export class Keeper {
  readonly #parts: KeeperParts
  readonly #kept = new Map<number, Kept>()
  #members: ReadonlySet<string> = new Set()
  #resting = false

  constructor(parts: KeeperParts) {
    this.#parts = parts
  }

  get partitions(): readonly number[] {
    return [...this.#kept.keys()].sort((a, b) => a - b)
  }

  /** Whether something that is kept is not settled. */
  get behind(): boolean {
    for (const kept of this.#kept.values()) if (this.#isBehind(kept)) return true
    return false
  }

  /** Whether something is to be read from the ledger. */
  get hasWork(): boolean {
    if (this.#resting) return false
    for (const { coverage } of this.#kept.values()) if (coverage.span) return true
    return false
  }

  /** From now on these are kept, and no others. */
  hold(held: readonly HeldPartition[]): void {
    const wanted = new Set(held.map(each => each.partition))
    for (const partition of this.#kept.keys()) if (!wanted.has(partition)) this.#kept.delete(partition)
    for (const { partition, epoch, fence, position } of held) {
      if (this.#kept.get(partition)?.fence === fence) continue
      this.#kept.set(partition, {
        place: { epoch, partition },
        fence,
        coverage: new Coverage(this.#parts.patienceMs),
        floor: position,
        noGroup: true,
        tidiedAt: Number.NEGATIVE_INFINITY,
        claimedAt: performance.now(),
      })
    }
  }

  noGroup(partition: number): void {
    const kept = this.#kept.get(partition)
    if (kept) kept.noGroup = true
  }

  /** Reads nothing more from the ledger until the next round: it does not answer. */
  rest(): void {
    this.#resting = true
  }

  /** Looks after everything that is kept. @throws HoldfastError DEPENDENCY_*, or the driver's error */
  async round(): Promise<void> {
    await this.#raise([...this.#kept.values()].filter(kept => this.#isBehind(kept)))
    await Promise.all([...this.#kept.values()].map(kept => this.#look(kept)))
    const { store, group } = this.#parts
    const found = await store.run(sql => members(sql, group))
    if ([...this.#members].some(member => !found.has(member)))
      for (const kept of this.#kept.values()) kept.tidiedAt = Number.NEGATIVE_INFINITY
    this.#members = found
    this.#resting = false
  }

  /** Sees that the log hands out what is kept: also to others, while this process has its hands full. */
  async createGroups(): Promise<void> {
    const { stream } = this.#parts
    if (!stream?.reachable) return
    for (const kept of [...this.#kept.values()]) if (kept.noGroup) await this.#createGroup(stream, kept)
  }

  /** Takes over, from Redis, what was handed to those that are gone; at most about so many events. */
  async claim(most: number): Promise<void> {
    const { stream } = this.#parts
    if (!stream?.reachable) return
    let left = most
    for (const kept of [...this.#kept.values()]) {
      if (left <= 0) return
      left -= await this.#tidy(stream, kept, left)
      if (left > 0) left -= await this.#claimIdle(stream, kept, left)
    }
  }

  /** A page of what nobody is handed, of the partition whose turn it is. */
  async readUncovered(
    limit: number,
  ): Promise<{ readonly place: LogPlace; readonly unsettled: Unsettled } | undefined> {
    const kept = [...this.#kept.values()].find(({ coverage }) => coverage.span)
    if (!kept?.coverage.span) return undefined
    const { place, coverage } = kept
    const { from } = kept.coverage.span
    const to = Math.min(kept.coverage.span.to, from + window - 1)
    this.#kept.delete(place.partition)
    this.#kept.set(place.partition, kept)
    const { store, group } = this.#parts
    const unsettled = await store.run(sql => readUnsettled(sql, group, place.partition, { from, to, limit }))
    coverage.advance(unsettled.through)
    return { place, unsettled }
  }

  async #raise(behind: readonly Kept[]): Promise<void> {
    for (let i = 0; i < behind.length; i += raisedAtOnce) {
      const some = behind.slice(i, i + raisedAtOnce)
      const held = some.map(({ place, fence }) => ({ partition: place.partition, fence }))
      const { store, group } = this.#parts
      const floors = await store.run(sql => raiseFloors(sql, group, held))
      for (const kept of some) kept.floor = floors.get(kept.place.partition) ?? kept.floor
    }
  }

  async #look(kept: Kept): Promise<void> {
    const { stream } = this.#parts
    const head = this.#head(kept)
    const logFloor =
      stream?.reachable && this.#isBehind(kept)
        ? await stream.logFloor(kept.place).catch(() => undefined)
        : undefined
    kept.coverage.look({ floor: kept.floor, head, logFloor, now: performance.now() })
  }

  async #createGroup(stream: GroupStream, kept: Kept): Promise<void> {
    if ((await stream.create(kept.place, kept.floor)) === 'no_log') return
    kept.noGroup = false
    this.#parts.onGroup(kept.place.partition)
  }

  /** Consumers of members that are gone: what they had is taken over at once, then they are forgotten. */
  async #tidy(stream: GroupStream, kept: Kept, most: number): Promise<number> {
    const { place } = kept
    const now = performance.now()
    if (now - kept.tidiedAt < (this.#isBehind(kept) ? tidyMs : Number.POSITIVE_INFINITY)) return 0
    let claimed = 0
    for (const { name, pending } of await stream.consumers(place)) {
      if (name === this.#parts.member || this.#members.has(name)) continue
      if (pending > 0) {
        if (claimed >= most) return claimed
        const { entries } = await stream.claimFrom(place, name, most - claimed)
        claimed += entries.length
        await this.#parts.accept(place, eventsOf(entries))
        if (pending > entries.length) continue
      }
      await stream.forget(place, name)
    }
    if (claimed === 0) kept.tidiedAt = now
    return claimed
  }

  async #claimIdle(stream: GroupStream, kept: Kept, most: number): Promise<number> {
    const now = performance.now()
    if (!this.#isBehind(kept) || now - kept.claimedAt < this.#parts.patienceMs / 2) return 0
    let from = 0
    let claimed = 0
    do {
      const { entries, next } = await stream.claimIdle(kept.place, this.#parts.patienceMs, from, most)
      claimed += entries.length
      from = next
      await this.#parts.accept(kept.place, eventsOf(entries))
    } while (from > 0 && claimed < most)
    if (from === 0) kept.claimedAt = now
    return claimed
  }

  #isBehind(kept: Kept): boolean {
    return this.#head(kept) > kept.floor
  }

  /** As far as is known; positions above the real head are never settled. */
  #head({ place }: Kept): number {
    return this.#parts.news.head(place.partition) ?? 0
  }
}
