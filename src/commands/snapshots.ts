import { isDeepStrictEqual } from 'node:util'
import type { LogAccess } from '../durable/index.ts'
import type { Logger } from '../platform/index.ts'
import type { DeclaredAggregate } from './aggregates.ts'
import type { Loaded } from './states.ts'

type Ledger = LogAccess['ledger']

/** Where a state is built from. */
export interface Beginning {
  /** The channel's last erasure; 0 for none. */
  readonly erasure: number
  readonly snapshot: { readonly state: unknown; readonly offset: number } | undefined
}

interface Row {
  erasure: number
  version: number | null
  epoch: string | null
  offset: number | null
  state: string | null
}

/** The channel's last erasure; 0 for none. */
export async function lastErasure(ledger: Ledger, channel: string): Promise<number> {
  const partition = ledger.partitionOf(channel)
  const [row] = await ledger.query(
    sql => sql<{ id: number }[]>`
      select id from holdfast.erasures
      where partition = ${partition} and channel = ${channel} order by id desc limit 1`,
  )
  return row?.id ?? 0
}

/** The snapshot that fits, if there is one. Whether the ledger goes so far is for whoever reads on from there. */
export async function readBeginning(
  ledger: Ledger,
  { name, snapshots }: DeclaredAggregate,
  channel: string,
): Promise<Beginning> {
  const { epoch } = ledger
  const partition = ledger.partitionOf(channel)
  const [row] = await ledger.query(
    sql => sql<Row[]>`
      select coalesce((select e.id from holdfast.erasures as e
                       where e.partition = ${partition} and e.channel = ${channel} order by e.id desc limit 1), 0) as erasure,
             s.version, s.epoch, s."offset", s.state
      from (select) as one
      left join holdfast.snapshots as s
        on s.partition = ${partition} and s.channel = ${channel} and s.aggregate = ${name}`,
  )
  const { erasure = 0, offset = null, state = null } = row ?? {}
  const fits = snapshots && row?.epoch === epoch && row.version === snapshots.version
  if (!fits || offset === null || state === null) return { erasure, snapshot: undefined }
  const parsed = parsedState(state)
  return { erasure, snapshot: parsed === undefined ? undefined : { state: parsed, offset } }
}

function parsedState(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** Snapshots that wait to be written, and the characters in them behind which no further one is taken. */
const maxWaiting = 1_000
const maxWaitingCharacters = 33_554_432
/** Characters of a state: a larger one is not cheaper to read than events. */
const maxCharacters = 1_048_576

interface Waiting {
  readonly aggregate: DeclaredAggregate
  readonly channel: string
  readonly loaded: Loaded
  readonly json: string
}

/**
 * Writes snapshots one after the other, behind the answers: a command never waits for one to be written, and one that is
 * lost is not missed. None are written while the ledger takes no writes: over the connections for reads, each would be
 * taken for a sign that they lead to a standby.
 */
export class SnapshotWriter {
  readonly #ledger: Ledger
  readonly #logger: Logger
  readonly #waiting = new Map<string, Waiting>()
  #waitingCharacters = 0
  /** Aggregates whose states cannot be kept; said once. */
  readonly #unfit = new Set<string>()
  #running: Promise<void> | undefined
  #closed = false

  constructor(ledger: Ledger, logger: Logger) {
    this.#ledger = ledger
    this.#logger = logger
  }

  /** Keeps the state where the last snapshot is far enough behind; else gives it back as it is. */
  offer(key: string, aggregate: DeclaredAggregate, channel: string, loaded: Loaded): Loaded {
    const { snapshots, name } = aggregate
    if (!snapshots || loaded.offset - loaded.snapshotAt < snapshots.every || this.#closed) return loaded
    if (this.#unfit.has(name) || this.#ledger.readOnly) return loaded
    this.#forget(key)
    if (this.#waiting.size >= maxWaiting || this.#waitingCharacters >= maxWaitingCharacters) return loaded
    // Now: an evolve that changes what it is given, against the rule, would change it before it is written.
    const json = this.#jsonOf(aggregate, loaded.state)
    if (json !== undefined) {
      this.#waiting.set(key, { aggregate, channel, loaded, json })
      this.#waitingCharacters += json.length
      this.#running ??= this.#run()
    }
    return { ...loaded, snapshotAt: loaded.offset }
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** What waits is dropped. */
  async close(): Promise<void> {
    this.#closed = true
    for (const key of this.#waiting.keys()) this.#forget(key)
    await this.#running
  }

  #forget(key: string): void {
    this.#waitingCharacters -= this.#waiting.get(key)?.json.length ?? 0
    this.#waiting.delete(key)
  }

  async #run(): Promise<void> {
    // Behind the answer of the command that has brought it.
    await new Promise(resolve => setImmediate(resolve))
    for (const [key, waiting] of this.#waiting) {
      this.#forget(key)
      if (this.#ledger.readOnly) continue
      try {
        await this.#write(waiting)
      } catch (error) {
        this.#logger.debug({ err: error, channel: waiting.channel }, 'a snapshot was not written')
      }
    }
    this.#running = undefined
  }

  async #write({ aggregate, channel, loaded, json }: Waiting): Promise<void> {
    const { name, snapshots } = aggregate
    await this.#ledger.query(
      sql => sql`
        select holdfast.write_snapshot(
          ${loaded.epoch}, ${this.#ledger.partitionOf(channel)}, ${channel}, ${name}, ${snapshots?.version ?? 0},
          ${loaded.offset}::bigint, ${json}, ${loaded.erasure}::bigint)`,
    )
  }

  /** Undefined where it is too large, or where JSON does not say all of it: read again, it would be another state. */
  #jsonOf({ name }: DeclaredAggregate, state: unknown): string | undefined {
    try {
      const json = JSON.stringify(state)
      if (isDeepStrictEqual(JSON.parse(json), state)) return json.length > maxCharacters ? undefined : json
    } catch {
      // A cycle, a bigint.
    }
    this.#unfit.add(name)
    const why =
      'its states are no JSON values: expected neither undefined, dates, maps nor objects of classes in them'
    this.#logger.error({ aggregate: name }, `no snapshots are kept of this aggregate: ${why}`)
    return undefined
  }
}
