import { HoldfastError, type StoredEvent } from '../../domain/index.ts'
import type { Logger, Sql } from '../../platform/index.ts'
import type { Guard } from '../../resilience/index.ts'
import type { AnsweringPool } from './answering-pool.ts'
import { appendBatch, type EntryResult } from './append-batch.ts'
import { AppendMeter } from './append-meter.ts'
import { type CheckedServer, pastEpoch } from './checked-server.ts'
import { commitSpan, committed } from './commit-span.ts'
import type { Entry } from './entry.ts'
import { KnownHeads } from './known-heads.ts'
import { Lane, type LaneLimits } from './lane.ts'
import type { Outcome, TogetherOutcome } from './ledger.ts'
import { outcomeOf, storedEvents, unheardRuns } from './outcomes.ts'

export interface AppenderOptions {
  /** One pool of one connection per lane. */
  readonly pools: readonly AnsweringPool[]
  readonly guard: Guard
  readonly epoch: () => string
  readonly server: CheckedServer
  readonly allowUnsafeFsync: boolean
  /** Returns whether it is the present epoch. */
  readonly onEpochFound: (epoch: string) => boolean
  readonly onStored: (events: readonly StoredEvent[]) => void
  readonly limits?: Partial<AppenderLimits>
  readonly logger?: Logger
}

export interface AppenderLimits extends LaneLimits {
  /** Bytes that may wait and be in flight in all lanes together; above it appends are refused for now. */
  readonly waitingBytes: number
}

/**
 * 500 rows: more only adds latency (measured: 100 to 500 rows is where an insert by UNNEST stops getting cheaper).
 * 4 s: the official SDKs give up a command after 5 s, and then drop the connection.
 */
const defaultLimits: AppenderLimits = {
  batchEvents: 500,
  batchBytes: 1_048_576,
  deadlineMs: 4_000,
  waitingBytes: 33_554_432,
}

interface Recorded {
  readonly results: EntryResult[]
  readonly epoch: string
}

/** Spreads appends over lanes, each with one batch in flight, and makes known what was stored. */
export class Appender {
  readonly meter = new AppendMeter()
  readonly #options: AppenderOptions
  readonly #limits: AppenderLimits
  readonly #lanes: readonly Lane[]
  readonly #heads = new KnownHeads()
  #closed = false

  constructor(options: AppenderOptions) {
    this.#options = options
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#lanes = options.pools.map(pool => this.#lane(pool))
  }

  /**
   * @throws HoldfastError DEPENDENCY_REJECTED at once while Postgres is away (not sent), OVERLOADED, SHUTTING_DOWN,
   *   EPOCH_CHANGED, DEPENDENCY_TIMEOUT, DEPENDENCY_FAILED
   */
  async append(entry: Entry): Promise<Outcome> {
    const lane = this.#admit(entry.partition, entry.bytes)
    const span = commitSpan(entry)
    // What comes after the commit hangs from it.
    return span ? committed(span, lane.append({ ...entry, trace: span.traceparent })) : lane.append(entry)
  }

  /** All or none, next to each other. @throws HoldfastError as `append` */
  async appendTogether(entries: readonly [Entry, ...Entry[]]): Promise<TogetherOutcome> {
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0)
    const lane = this.#admit(entries[0].partition, bytes)
    const span = commitSpan(entries[0], entries.length)
    if (!span) return lane.appendTogether(entries, bytes)
    const trace = span.traceparent
    const [first, ...others] = entries
    const traced = [{ ...first, trace }, ...others.map(entry => ({ ...entry, trace }))] as const
    return committed(span, lane.appendTogether(traced, bytes))
  }

  /** The lane that takes so many bytes for this partition. */
  #admit(partition: number, bytes: number): Lane {
    if (this.#closed) throw new HoldfastError('SHUTTING_DOWN', 'the ledger is closing')
    if (!this.#options.guard.allow()) throw this.#options.guard.refusal()
    const { waitingBytes } = this.meter
    if (waitingBytes + bytes > this.#limits.waitingBytes && waitingBytes > 0) {
      throw new HoldfastError('OVERLOADED', `${waitingBytes} bytes of events wait for Postgres already`)
    }
    const lane = this.#lanes[partition % this.#lanes.length]
    if (!lane) throw new HoldfastError('INTERNAL', `no lane for partition ${partition}`)
    this.meter.waitingBytes += bytes
    return lane
  }

  /** What is known and expected belongs to another life of the numbering. */
  beginEpoch(epoch: string): void {
    this.#heads.forget()
    for (const lane of this.#lanes) lane.beginEpoch(epoch)
  }

  /** Takes nothing more, and waits until everything taken has its end. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#lanes.map(lane => lane.idle()))
  }

  #lane(pool: AnsweringPool): Lane {
    const { guard } = this.#options
    return new Lane(
      {
        // What was accepted must find its end: it may be stored already, and only the answer to a repetition tells.
        send: (entries, repeated) => guard.insist(() => pool.run(sql => this.#send(sql, entries, repeated))),
        epochFound: this.#options.onEpochFound,
        released: bytes => {
          this.meter.waitingBytes -= bytes
        },
        attemptFailed: (error, attempt) => {
          // Once per batch: a long outage is one story.
          const level = attempt === 1 ? 'warn' : 'debug'
          this.#options.logger?.[level]({ err: error, attempt }, 'the fate of a batch of appends is unknown')
        },
      },
      this.#limits,
      this.meter,
    )
  }

  async #send(sql: Sql, entries: readonly Entry[], repeated: boolean): Promise<Outcome[]> {
    const { epoch } = this.#options
    const { results, epoch: recordedIn } = await this.#record(sql, entries)
    // Its numbers mean nothing any more. Sent again it is found, or recorded anew.
    if (recordedIn !== epoch()) throw pastEpoch(recordedIn)
    const outcomes = results.map((result, i) => outcomeOf(entries[i] as Entry, result))
    const runs = repeated
      ? unheardRuns(entries, results, partition => this.#heads.position(partition))
      : [storedEvents(outcomes)]
    for (const run of runs) {
      if (run.length === 0) continue
      this.#heads.learn(run)
      this.#options.onStored(run)
    }
    return outcomes
  }

  /** On a server that has been checked; one that has not is checked first. */
  async #record(sql: Sql, entries: readonly Entry[]): Promise<Recorded> {
    const { epoch, server, allowUnsafeFsync } = this.#options
    const record = async (): Promise<Recorded | undefined> => {
      const place = { epoch: epoch(), server: server.name, allowUnsafeFsync }
      const results = await appendBatch(sql, place, entries, this.#heads)
      return results && { results, epoch: place.epoch }
    }
    const first = await record()
    if (first) return first
    await server.check(sql)
    const again = await record()
    if (again) return again
    throw new HoldfastError('DEPENDENCY_FAILED', 'Postgres became another server while it was being checked')
  }
}
