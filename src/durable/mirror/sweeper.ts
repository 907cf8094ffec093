import type { Logger } from '../../platform/index.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { type Behind, seenBehind } from './behind.ts'
import type { PartitionFill } from './fill.ts'
import type { LossRecord, WrittenLoss } from './loss-record.ts'
import type { Mirror } from './mirror.ts'
import { MirrorMeter } from './mirror-meter.ts'
import type { MirrorState, PartitionMirrors } from './partition-mirror.ts'

const tickMs = 250
/** While every mirror is level. A crash is then seen within 400 ms, confirmed 250 ms later, and filled. */
const idleTickMs = 400
/** A mirror is filled when it has stood still behind its ledger for this many ticks. */
const patience = 2
/** At a time. */
const maxFills = 4
/** A mirror that is further behind is told of by one notice in the end, not event by event. */
const farBehind = 1_000
const budgetEvery = 4

/** The parts that exist only with a Redis. */
export interface MirrorParts {
  readonly mirrors: PartitionMirrors
  readonly fill: PartitionFill
  readonly mirror: Mirror
  readonly lossRecord: LossRecord
}

/**
 * Compares every partition's head in the ledger with its mirror, and fills what stands still behind. All nodes do
 * it; a lease keeps two from doing the same fill. And what the mirrors and other nodes tell of positions is held against
 * the ledger, which may have gone back in time.
 *
 * What it costs an idle node: per tick one statement that looks at one index entry per partition (about 0.5 ms of
 * Postgres for 64) and one pipeline with an HMGET per partition (about 0.1 ms of Redis), empty ones too: a database
 * restored to an emptier state stands before a full mirror.
 */
export class Sweeper {
  readonly #ledger: Ledger
  readonly #parts: MirrorParts | undefined
  readonly #logger: Logger
  readonly #meter: MirrorMeter
  readonly #watched = new Map<number, Behind>()
  readonly #announced = new Map<number, number>()
  #ticks = 0
  #timer: NodeJS.Timeout | undefined
  #closed = false
  /** Partitions that stand still and are not being filled yet. */
  #due: number[] = []
  readonly #filling = new Set<number>()
  #ledgerReachable = true
  /** The verdict that was written down by this node, with everything that it knew. */
  #written: string | undefined

  constructor(ledger: Ledger, parts: MirrorParts | undefined, logger: Logger, meter = new MirrorMeter()) {
    this.#meter = meter
    this.#ledger = ledger
    this.#parts = parts
    this.#logger = logger
  }

  get ledgerReachable(): boolean {
    return this.#ledgerReachable
  }

  /** Whether the partition's mirror has to be healed: until it is level its announcements can't be relied on. */
  behind(partition: number): boolean {
    const watched = this.#watched.get(partition)
    if (watched && (watched.still >= patience || watched.lag > farBehind)) return true
    return this.#parts?.mirror.unhealed.has(partition) ?? false
  }

  /** The last position that the partition's mirror was seen to have, and so has announced. */
  announced(partition: number): number | undefined {
    return this.#announced.get(partition)
  }

  get healing(): boolean {
    for (const partition of this.#watched.keys()) if (this.behind(partition)) return true
    return (this.#parts?.mirror.unhealed.size ?? 0) > 0
  }

  /** Looks once, so that the first append is not accepted by a ledger that has gone back; then goes on by itself. */
  async start(): Promise<void> {
    await this.#tick()
    this.#schedule()
  }

  /** Forgets what was seen: the ledger has another epoch, and its mirrors other names. */
  reset(): void {
    this.#watched.clear()
    this.#announced.clear()
    this.#due = []
    this.#ticks = 0
    this.#meter.seesNothing()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #schedule(): void {
    if (this.#closed) return
    this.#timer = setTimeout(
      () => void this.#tick().finally(() => this.#schedule()),
      this.#watched.size > 0 ? tickMs : idleTickMs,
    )
    this.#timer.unref()
  }

  async #tick(): Promise<void> {
    const { epoch, losses } = this.#ledger
    const all = Array.from({ length: this.#ledger.partitions }, (_, partition) => partition)
    // The mirrors first: a head that is read later can only be lower if the ledger has lost something.
    const states = await this.#parts?.mirrors
      .at(epoch)
      .states(all)
      .catch(() => undefined)
    const told = states && (await this.#hearOfLoss(epoch, all, states))
    let heads: ReadonlyMap<number, number>
    try {
      heads = await this.#ledger.partitionHeads(all)
      this.#ledgerReachable = true
    } catch {
      this.#ledgerReachable = false
      this.#meter.seesNothing()
      return
    }
    if (!this.#parts || !states || epoch !== this.#ledger.epoch) return this.#meter.seesNothing()
    await this.#tellOfLoss(this.#parts, epoch, told)
    if (this.#ticks++ % budgetEvery === 0) await this.#parts.mirrors.checkBudget().catch(() => undefined)
    this.#judge(all, heads, states)
    // What a ledger has that has lost something must not take the place of what is known.
    if (losses.lostOn === undefined) this.#fillStill(this.#parts)
    else this.#due = []
  }

  /** Learns what the mirrors and other nodes know of an epoch. Returns what others have written of a loss. */
  async #hearOfLoss(
    epoch: string,
    partitions: readonly number[],
    states: readonly (MirrorState | undefined)[],
  ): Promise<WrittenLoss | undefined> {
    const { losses } = this.#ledger
    const told = await this.#parts?.lossRecord.read(epoch).catch(() => undefined)
    partitions.forEach((partition, i) => {
      losses.learn(epoch, partition, states[i]?.last ?? 0)
    })
    for (const [partition, position] of told?.heads ?? []) losses.learn(epoch, partition, position)
    // What others say of another server concerns this one too: it may be the same one, started again.
    if (told) losses.hear(epoch, told.server, told.missed)
    return told
  }

  /** Each node adds once what it knows: what the first one knew may be less. */
  async #tellOfLoss(
    { lossRecord }: MirrorParts,
    epoch: string,
    told: WrittenLoss | undefined,
  ): Promise<void> {
    const { losses } = this.#ledger
    const { lostOn } = losses
    const verdict = lostOn && `${epoch} ${lostOn} ${losses.witnesses}`
    if (lostOn === told?.server && verdict === this.#written) return
    try {
      if (lostOn !== undefined) await lossRecord.write(epoch, lostOn, losses)
      else if (told) await lossRecord.remove(epoch, told.server)
      this.#written = verdict
    } catch (error) {
      this.#logger.warn({ err: error }, 'other nodes cannot be told of a loss now')
    }
  }

  #judge(
    partitions: readonly number[],
    heads: ReadonlyMap<number, number>,
    states: readonly (MirrorState | undefined)[],
  ): void {
    partitions.forEach((partition, i) => {
      const head = heads.get(partition) ?? 0
      const last = states[i]?.last ?? 0
      this.#announced.set(partition, last)
      const behind = seenBehind(this.#watched.get(partition), { last, head }, performance.now())
      if (behind) this.#watched.set(partition, behind)
      else {
        this.#watched.delete(partition)
        this.#parts?.mirror.healed(partition)
      }
    })
    this.#sayLag()
  }

  #sayLag(): void {
    let events = 0
    let first: number | undefined
    for (const { lag, since } of this.#watched.values()) {
      events += lag
      first = Math.min(first ?? since, since)
    }
    this.#meter.sees(events, first)
  }

  /**
   * In an order of its own, so that nodes which find the same mirrors empty begin with different ones. One fill that takes
   * long holds up no other.
   */
  #fillStill({ fill }: MirrorParts): void {
    const still = [...this.#watched].flatMap(([partition, watched]) =>
      watched.still >= patience && !this.#filling.has(partition) ? [{ partition, order: Math.random() }] : [],
    )
    this.#due = still.sort((one, other) => one.order - other.order).map(({ partition }) => partition)
    while (this.#due.length > 0 && this.#filling.size < maxFills) void this.#fillDue(fill)
  }

  async #fillDue(fill: PartitionFill): Promise<void> {
    for (let next = this.#due.pop(); next !== undefined; next = this.#due.pop()) {
      const partition = next
      if (this.#closed) return
      this.#filling.add(partition)
      try {
        const reached = await fill.attempt(partition)
        this.#meter.repairs[reached === undefined ? 'yielded' : 'filled']++
      } catch (error) {
        this.#meter.repairs.failed++
        this.#logger.debug({ partition, err: error }, 'a fill failed; it is tried again')
      }
      this.#filling.delete(partition)
    }
  }
}
