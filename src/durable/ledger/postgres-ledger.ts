import type { NewEvent, StoredEvent } from '../../domain/index.ts'
import { HoldfastError } from '../../domain/index.ts'
import { connectPostgres, type Logger, RemoteClock, type Sql } from '../../platform/index.ts'
import { Breakers } from '../../resilience/index.ts'
import type { AnsweringPool, PoolUse } from './answering-pool.ts'
import type { AppendMeter } from './append-meter.ts'
import { Appender, type AppenderLimits } from './appender.ts'
import { anotherServer, CheckedServer, pastEpoch } from './checked-server.ts'
import { entriesTogether, entryOf } from './entry.ts'
import type {
  ChannelHead,
  ChannelPage,
  ChannelPlace,
  ChannelRequest,
  Delivered,
  Ledger,
  Outcome,
  PartitionPage,
  PartitionRange,
  TogetherOutcome,
} from './ledger.ts'
import { createLedgerGuard, type LedgerGuard } from './ledger-guard.ts'
import { openPools } from './ledger-pools.ts'
import { LossWatch } from './loss-watch.ts'
import { movedChannels, readAfter } from './news-reads.ts'
import { partitionOf } from './partition-of.ts'
import { type Answered, channelHeads, offsetOf, partitionHeads, readChannel, readPartition } from './reads.ts'
import { checkServer, type LedgerIdentity } from './start-check.ts'

export interface PostgresLedgerOptions {
  readonly url: string
  /** Connections for reads. */
  readonly poolSize: number
  /** Batches of appends that may be in flight at once, each over its own partitions and connection. */
  readonly lanes: number
  readonly allowUnsafeFsync: boolean
  readonly logger?: Logger
  readonly limits?: Partial<AppenderLimits>
  readonly breakers?: Breakers
}

/**
 * Connects to the ledger and checks that the server keeps what a commit promises. Afterwards Postgres may go away
 * and come back.
 * @throws HoldfastError DEPENDENCY_* where Postgres does not answer, CONFIG_INVALID where it is not fit
 */
export async function createPostgresLedger(options: PostgresLedgerOptions): Promise<Ledger> {
  const { url, logger } = options
  const { appends, reads, uses } = openPools(options)
  const guard = createLedgerGuard({
    open: () =>
      connectPostgres(url, { max: 1, applicationName: 'holdfast-probe', ...(logger && { logger }) }),
    borrow: work => reads.run(work),
    breakers: options.breakers ?? new Breakers(logger),
    onStandby: () => {
      for (const pool of [...appends, reads]) pool.renew()
    },
    ...(logger && { logger }),
  })
  const [first] = appends
  try {
    if (!first) throw new HoldfastError('CONFIG_INVALID', 'expected at least one lane')
    const identity = await first.run(sql => checkServer(sql, options.allowUnsafeFsync))
    return new PostgresLedger(identity, { appends, reads, uses, guard }, options)
  } catch (error) {
    await Promise.all([...appends, reads, guard].map(part => part.close()))
    throw error
  }
}

/** Ways to Postgres. */
interface Ways {
  readonly appends: readonly AnsweringPool[]
  readonly reads: AnsweringPool
  readonly uses: () => readonly PoolUse[]
  readonly guard: LedgerGuard
}

class PostgresLedger implements Ledger {
  readonly partitions: number
  readonly losses: LossWatch
  readonly clock = new RemoteClock()
  readonly #ways: Ways
  readonly #server: CheckedServer
  readonly #appender: Appender
  readonly #logger: Logger | undefined
  readonly #storedListeners = new Set<(events: readonly StoredEvent[]) => void>()
  readonly #epochListeners = new Set<(epoch: string) => void>()
  /** An answer that was on its way while the epoch changed must not bring the old one back. */
  readonly #pastEpochs = new Set<string>()
  #epoch: string

  constructor(identity: LedgerIdentity, ways: Ways, options: PostgresLedgerOptions) {
    const { limits, logger, allowUnsafeFsync } = options
    this.#epoch = identity.epoch
    this.partitions = identity.partitions
    this.#ways = ways
    this.#logger = logger
    this.losses = new LossWatch(identity.epoch, identity.server, logger)
    this.#server = new CheckedServer(identity.server, {
      watch: this.losses,
      allowUnsafeFsync,
      onEpochFound: epoch => this.#foundEpoch(epoch),
      logger,
    })
    this.#appender = new Appender({
      pools: ways.appends,
      guard: ways.guard.guard,
      epoch: () => this.#epoch,
      server: this.#server,
      allowUnsafeFsync,
      onEpochFound: epoch => this.#foundEpoch(epoch),
      onStored: events => this.#stored(events),
      ...(limits && { limits }),
      ...(logger && { logger }),
    })
  }

  get epoch(): string {
    return this.#epoch
  }

  get meter(): AppendMeter {
    return this.#appender.meter
  }

  pools(): readonly PoolUse[] {
    return this.#ways.uses()
  }

  get server(): string {
    return this.#server.name
  }

  get readOnly(): boolean {
    return this.#ways.guard.readOnly
  }

  partitionOf(channel: string): number {
    return partitionOf(channel, this.partitions)
  }

  async append(event: NewEvent & { readonly id: string }): Promise<Outcome> {
    const entry = entryOf(event, this.partitions)
    if (typeof entry === 'string') return { kind: 'refused', code: 'PAYLOAD_INVALID', reason: entry }
    return this.#appender.append(entry)
  }

  async appendTogether(events: readonly (NewEvent & { readonly id: string })[]): Promise<TogetherOutcome> {
    const entries = entriesTogether(events, this.partitions)
    if (typeof entries === 'string') return { kind: 'refused', code: 'PAYLOAD_INVALID', reason: entries }
    return this.#appender.appendTogether(entries)
  }

  onStored(listener: (events: readonly StoredEvent[]) => void): () => void {
    this.#storedListeners.add(listener)
    return () => this.#storedListeners.delete(listener)
  }

  announce(events: readonly StoredEvent[]): void {
    if (events.length > 0) this.#stored(events)
  }

  onEpoch(listener: (epoch: string) => void): () => void {
    this.#epochListeners.add(listener)
    return () => this.#epochListeners.delete(listener)
  }

  readChannel(channel: string, request: ChannelRequest): Promise<ChannelPage> {
    return this.#readKnown(sql => readChannel(sql, this.partitionOf(channel), channel, request))
  }

  offsetOf(channel: string, id: string): Promise<number | undefined> {
    return this.#readKnown(sql => offsetOf(sql, this.partitionOf(channel), channel, id))
  }

  readPartition(partition: number, from: number, limit: number): Promise<PartitionPage> {
    return this.#readKnown(sql => readPartition(sql, partition, from, limit))
  }

  async movedChannels(ranges: readonly PartitionRange[]): Promise<ReadonlyMap<string, number>> {
    return ranges.length === 0 ? new Map() : this.#readKnown(sql => movedChannels(sql, ranges))
  }

  async readAfter(
    places: readonly ChannelPlace[],
    bounds: { readonly perChannel: number; readonly maxBytes: number },
  ): Promise<readonly StoredEvent[]> {
    if (places.length === 0) return []
    const placed = places.map(place => ({ ...place, partition: this.partitionOf(place.channel) }))
    return this.#readKnown(sql => readAfter(sql, placed, bounds))
  }

  async channelHeads(
    channels: readonly string[],
    delivered?: Delivered,
  ): Promise<ReadonlyMap<string, ChannelHead>> {
    if (channels.length === 0) return new Map()
    const partitions = channels.map(channel => this.partitionOf(channel))
    const { epoch, heads, server } = await this.query(sql => channelHeads(sql, channels, partitions))
    await this.#know(epoch, server)
    if (delivered) this.#noticeLoss(delivered, heads, server)
    return heads
  }

  async partitionHeads(partitions: readonly number[]): Promise<ReadonlyMap<number, number>> {
    if (partitions.length === 0) return new Map()
    const before = this.losses.known()
    const answer = await this.query(sql => partitionHeads(sql, partitions))
    const { epoch, heads, ids, server = '', kind, clock } = answer
    if (clock !== undefined) this.clock.learn(clock)
    this.#ways.guard.learn(kind)
    await this.#know(epoch, server)
    this.losses.compare(before, { server, heads, ids })
    return heads
  }

  async ping(): Promise<void> {
    await this.query(sql => sql`select 1`)
  }

  async close(): Promise<void> {
    await this.#appender.close()
    const { appends, reads, guard } = this.#ways
    await Promise.all([...appends, reads, guard].map(part => part.close()))
  }

  /** A read that nobody can answer now is refused now. */
  query<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    const { guard, reads } = this.#ways
    return guard.guard.run(() => reads.run(work))
  }

  /** A read of which it counts who has answered. */
  async #readKnown<T>(work: (sql: Sql) => Promise<Answered<T>>): Promise<T> {
    const { epoch, server, answer } = await this.query(work)
    await this.#know(epoch, server)
    return answer
  }

  /**
   * Judges who has answered.
   * @throws HoldfastError DEPENDENCY_FAILED where the answer counts for nothing: the epoch is past, or a standby may lag
   */
  async #know(epoch: string | undefined, server: string | undefined): Promise<void> {
    if (epoch !== undefined && !this.#foundEpoch(epoch)) throw pastEpoch(epoch)
    if (server === undefined || !this.#server.isDue(server)) return
    try {
      await this.query(sql => this.#server.check(sql))
    } catch (error) {
      // A ledger that has lost events answers truly what is there.
      if (!(error instanceof HoldfastError && error.code === 'LEDGER_BEHIND')) throw error
    }
    if (this.losses.isNew(server)) throw anotherServer()
  }

  /** What subscribers have been given must be there. */
  #noticeLoss(
    { epoch, offsets }: Delivered,
    heads: ReadonlyMap<string, ChannelHead>,
    server: string | undefined,
  ): void {
    for (const [channel, { head }] of heads) {
      const known = offsets.get(channel) ?? 0
      if (head >= known || server === undefined) continue
      const partition = this.partitionOf(channel)
      this.losses.condemn(epoch, server, { found: 'a subscriber’s place', channel, partition, head, known })
    }
  }

  #stored(events: readonly StoredEvent[]): void {
    for (const { partition, position, id } of events) this.losses.stored(this.#epoch, partition, position, id)
    this.#tell(this.#storedListeners, events)
  }

  /** Whether it is the present epoch, which it may have become by this. */
  #foundEpoch(epoch: string): boolean {
    if (epoch === this.#epoch) return true
    if (this.#pastEpochs.has(epoch)) return false
    this.#logger?.warn({ from: this.#epoch, to: epoch }, 'the ledger has a new epoch')
    this.#pastEpochs.add(this.#epoch)
    this.#epoch = epoch
    this.#appender.beginEpoch(epoch)
    this.losses.begin(epoch)
    this.#tell(this.#epochListeners, epoch)
    return true
  }

  #tell<T>(listeners: ReadonlySet<(value: T) => void>, value: T): void {
    for (const listener of listeners) {
      try {
        listener(value)
      } catch (error) {
        // What is committed is committed: nobody's failure to hear of it may reach the one who appended.
        this.#logger?.error({ err: error }, 'a listener of the ledger has thrown')
      }
    }
  }
}
