import { HoldfastError } from '../../domain/index.ts'
import type { Logger, Sql } from '../../platform/index.ts'
import { intArray } from './array-literal.ts'
import { lossAdvice, type OwnPosition } from './loss-evidence.ts'
import type { LossWatch, PartitionEnd } from './loss-watch.ts'
import { readFacts, serverName, whyUnfit } from './start-check.ts'

/** A verdict may stand on an answer that was false: its server is looked at again now and then. */
const reviewMs = 10_000

export interface CheckedServerParts {
  readonly watch: LossWatch
  readonly allowUnsafeFsync: boolean
  /** Returns whether it is the present epoch, which it may have become by this. */
  readonly onEpochFound: (epoch: string) => boolean
  readonly logger: Logger | undefined
}

/**
 * Which start of which server has been checked. Connections are made anew behind one's back, to whatever an address leads
 * to by then. So each statement that records events names the server that it may run on, and records nothing on any other:
 * that one is checked first, as the first one was, and for whether it has everything that is known to be recorded.
 */
export class CheckedServer {
  readonly #parts: CheckedServerParts
  #name: string
  #reviewAt = 0
  #told = ''

  constructor(first: string, parts: CheckedServerParts) {
    this.#name = first
    this.#parts = parts
  }

  /** Names nobody while events are known to be lost. */
  get name(): string {
    return this.#parts.watch.lostOn === undefined ? this.#name : ''
  }

  /** Whether the server that has answered is to be looked at: nothing is known of it yet, or it was found wanting a while ago. */
  isDue(server: string): boolean {
    const { watch } = this.#parts
    return watch.isNew(server) || (watch.lostOn !== undefined && performance.now() >= this.#reviewAt)
  }

  /**
   * Looks at the server behind a connection.
   * @throws HoldfastError LEDGER_BEHIND, or DEPENDENCY_FAILED where it is not fit
   */
  async check(sql: Sql): Promise<void> {
    const { watch, allowUnsafeFsync, onEpochFound } = this.#parts
    this.#reviewAt = performance.now() + reviewMs
    const facts = await readFacts(sql)
    const reason = whyUnfit(facts, allowUnsafeFsync)
    if (reason !== undefined) throw this.#unfit(reason)
    const known = watch.known()
    const found = await readEnds(sql, known.own)
    // A pool may open another connection between two statements, and an address lead to another server by then.
    if (found.server !== facts.server) throw anotherServer()
    if (!onEpochFound(found.epoch)) throw pastEpoch(found.epoch)
    watch.meet(known, found.ends, facts.server)
    if (watch.lostOn !== undefined) throw new HoldfastError('LEDGER_BEHIND', lossAdvice)
    this.#name = facts.server
    this.#told = ''
  }

  /** Told once: it is asked again and again. */
  #unfit(reason: string): HoldfastError {
    if (reason !== this.#told) this.#parts.logger?.error(`no event is recorded on this server: ${reason}`)
    this.#told = reason
    return new HoldfastError('DEPENDENCY_FAILED', reason)
  }
}

/** The numbers of a past epoch mean nothing any more. */
export function pastEpoch(epoch: string): HoldfastError {
  return new HoldfastError(
    'DEPENDENCY_FAILED',
    `Postgres has answered for ${epoch}, a past epoch of the ledger; restart the nodes if this is the right server`,
  )
}

/** What it says may be true, but nobody has looked yet whether it has what is recorded. */
export function anotherServer(): HoldfastError {
  return new HoldfastError('DEPENDENCY_FAILED', 'another Postgres has answered than the one that was checked')
}

/** The ends of all partitions, with the events at one's own last positions. */
async function readEnds(
  sql: Sql,
  own: ReadonlyMap<number, OwnPosition>,
): Promise<{ readonly epoch: string; readonly server: string; readonly ends: readonly PartitionEnd[] }> {
  const asked = [...own]
  const rows = await sql<(PartitionEnd & { epoch: string; server: string })[]>`
    select l.epoch, ${serverName(sql)} as server, p.partition, holdfast.partition_head(p.partition) as head,
           (select e.id from holdfast.events as e
            where e.partition = p.partition and e.position = asked.position) as id
    from holdfast.ledger as l
    cross join lateral generate_series(0, l.partitions - 1) as p (partition)
    left join unnest(${intArray(asked, ([partition]) => partition)}::int[],
                     ${intArray(asked, ([, { position }]) => position)}::bigint[]) as asked (partition, position)
      on asked.partition = p.partition`
  const [first] = rows
  if (!first) throw new HoldfastError('DEPENDENCY_FAILED', 'this Postgres has no ledger')
  return { epoch: first.epoch, server: first.server, ends: rows }
}
