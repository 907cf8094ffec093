import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError, type NamespaceOptions, namespaceOf } from '../../domain/index.ts'
import { connectPostgres, type Logger } from '../../platform/index.ts'
import { AnsweringPool, type PoolUse } from '../ledger/answering-pool.ts'
import { lossAdvice } from '../ledger/loss-evidence.ts'
import { partitionOf } from '../ledger/partition-of.ts'
import { isFinal, otherEpoch, postgresError } from '../ledger/postgres-error.ts'
import { AckQueue, type AckWaiter, type Coalesced, fateOf } from './ack-queue.ts'
import { FlushLoop } from './flush-loop.ts'
import { checkKey } from './key.ts'
import { type AckOutcome, type AckRow, moveCursors, readCursors } from './statements.ts'
import type { Ack, CursorKey, CursorPlace, CursorState, Cursors } from './types.ts'

export interface CursorsOptions {
  readonly url: string
  /** Of the ledger. */
  readonly partitions: number
  /** Says which cursors retention waits for. */
  readonly namespaces: Readonly<Record<string, Pick<NamespaceOptions, 'cursors'>>>
  /** How many cursors one user may have. */
  readonly maxPerUser: number
  /** Whether the ledger is known to have lost events: a place above its head may exist then. */
  readonly ledgerBehind?: () => boolean
  /** Reads partitions' heads through the ledger, which notices then what it has lost. */
  readonly lookAtLedger?: (partitions: readonly number[]) => Promise<unknown>
  readonly logger: Logger
}

/** The server gives a statement up before we give up the connection. */
const timeout = { statementMs: 2_000, answerMs: 2_500 }
const poolSize = 2
/** Rows of one statement. */
const batchSize = 1_000
/** Flushes of one node, at most a hundred a second: they share the disk with the appends' commits. */
const paceMs = 10
/** Acks, and reads, that may wait on this node; above it they are refused for now. */
const maxWaiting = 10_000
/** After a failed flush: older acks are answered with the temporary error, younger ones go with the next flush. */
const patienceMs = 1_500
const indexesOnly = { enable_seqscan: 'off', enable_bitmapscan: 'off', jit: 'off' }

/** Cursors in the database of the ledger, over two connections of their own. Postgres may go away and come back. */
export function createCursors(options: CursorsOptions): Cursors {
  return new PostgresCursors(options)
}

interface ReadWaiter {
  readonly key: CursorKey & { readonly partition: number }
  resolve(state: CursorState): void
  reject(error: Error): void
}

class PostgresCursors implements Cursors {
  readonly #options: CursorsOptions
  readonly #pool: AnsweringPool
  readonly #acks = new AckQueue()
  readonly #reads: ReadWaiter[] = []
  readonly #flushes: FlushLoop<Coalesced>
  readonly #readings: FlushLoop<ReadWaiter>
  #failures = 0
  #acknowledged = 0
  #closing = false

  constructor(options: CursorsOptions) {
    this.#options = options
    const { url, logger } = options
    const open = () =>
      connectPostgres(url, {
        max: poolSize,
        applicationName: 'holdfast-cursors',
        statementTimeoutMs: timeout.statementMs,
        settings: indexesOnly,
        logger,
      })
    this.#pool = new AnsweringPool(open, { timeoutMs: timeout.answerMs, graceSeconds: 1 })
    this.#flushes = new FlushLoop({
      take: () => this.#acks.take(batchSize),
      flush: batch => this.#flush(batch),
      paceMs,
    })
    this.#readings = new FlushLoop({
      take: () => this.#reads.splice(0, batchSize),
      flush: waiters => this.#read(waiters),
      paceMs: 0,
    })
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  get pool(): PoolUse {
    return { pool: 'cursors', limit: poolSize, running: this.#pool.running }
  }

  async ack(ack: Ack): Promise<CursorPlace> {
    checkKey(ack)
    this.#checkRoom(this.#acks.size)
    return new Promise((resolve, reject) => {
      this.#acks.add({ ack, since: performance.now(), resolve, reject })
      this.#flushes.wake()
    })
  }

  async read(key: CursorKey): Promise<CursorState> {
    checkKey(key)
    this.#checkRoom(this.#reads.length)
    return new Promise((resolve, reject) => {
      this.#reads.push({ key: { ...key, partition: this.#partitionOf(key) }, resolve, reject })
      this.#readings.wake()
    })
  }

  async close(): Promise<void> {
    this.#closing = true
    await Promise.all([this.#flushes.idle(), this.#readings.idle()])
    await this.#pool.close()
  }

  #checkRoom(waiting: number): void {
    if (this.#closing) throw new HoldfastError('SHUTTING_DOWN', 'this node is stopping')
    if (waiting >= maxWaiting) throw new HoldfastError('OVERLOADED', `${waiting} are waiting already`)
  }

  #partitionOf({ channel }: CursorKey): number {
    return partitionOf(channel, this.#options.partitions)
  }

  #rowOf({ highest: ack }: Coalesced): AckRow {
    const cursors = this.#options.namespaces[namespaceOf(ack.channel)]?.cursors
    const hold = cursors?.hold.includes(ack.name) ? cursors.holdSeconds : null
    return { ack, partition: this.#partitionOf(ack), hold }
  }

  async #flush(batch: readonly Coalesced[]): Promise<void> {
    try {
      const rows = batch.map(each => this.#rowOf(each))
      const { outcomes, passed } = await this.#pool.run(sql =>
        moveCursors(sql, rows, this.#options.maxPerUser),
      )
      this.#acknowledged += passed
      this.#failures = 0
      await this.#lookBeforeRefusing(rows.filter((_, i) => outcomes[i]?.kind === 'above_head'))
      for (const [i, outcome] of outcomes.entries()) {
        for (const waiter of batch[i]?.waiters ?? []) this.#end(waiter, outcome)
      }
    } catch (thrown) {
      await this.#failed(batch, postgresError(thrown))
    }
  }

  /** A ledger that has gone back a moment ago, and nobody knows yet, would refuse for good what was true. */
  async #lookBeforeRefusing(rows: readonly AckRow[]): Promise<void> {
    if (rows.length === 0 || this.#options.ledgerBehind?.()) return
    await this.#options.lookAtLedger?.([...new Set(rows.map(({ partition }) => partition))])
  }

  #end(waiter: AckWaiter, outcome: AckOutcome): void {
    const fate = fateOf(waiter.ack, outcome)
    if (fate === 'again') this.#acks.add(waiter)
    else if (fate.kind === 'moved') waiter.resolve({ offset: fate.offset, epoch: fate.epoch })
    else if (fate.kind === 'above_head' && this.#options.ledgerBehind?.())
      waiter.reject(new HoldfastError('LEDGER_BEHIND', lossAdvice))
    else waiter.reject(refusal(waiter.ack, fate, this.#options.maxPerUser))
  }

  /** An ack may be repeated without harm, so short failures stay between us and Postgres. */
  async #failed(batch: readonly Coalesced[], error: HoldfastError): Promise<void> {
    const level = this.#failures++ === 0 ? 'warn' : 'debug'
    this.#options.logger[level](
      { err: error, cursors: batch.length },
      'acknowledgements could not be flushed',
    )
    const final = isFinal(error) && otherEpoch(error) === undefined
    for (const waiter of batch.flatMap(each => each.waiters)) {
      if (final) waiter.reject(error)
      else this.#acks.add(waiter)
    }
    for (const waiter of this.#acks.takeOlder(performance.now() - patienceMs)) waiter.reject(error)
    if (this.#acks.size > 0) await delay(Math.min(20 * 2 ** this.#failures, 500) * (0.5 + Math.random()))
  }

  async #read(waiters: readonly ReadWaiter[]): Promise<void> {
    try {
      const keys = waiters.map(waiter => waiter.key)
      const states = await this.#pool.run(sql => readCursors(sql, keys))
      for (const [i, waiter] of waiters.entries()) {
        const state = states[i]
        if (state) waiter.resolve(state)
        else waiter.reject(new HoldfastError('DEPENDENCY_FAILED', 'Postgres has no ledger'))
      }
    } catch (thrown) {
      for (const waiter of waiters) waiter.reject(postgresError(thrown))
    }
  }
}

function refusal(
  ack: Ack,
  outcome: Exclude<AckOutcome, { kind: 'moved' }>,
  maxPerUser: number,
): HoldfastError {
  switch (outcome.kind) {
    case 'above_head': {
      const message = `${ack.channel} has ${outcome.head} events, so ${ack.offset} cannot be acknowledged`
      return new HoldfastError('REQUEST_INVALID', message, { details: { head: outcome.head } })
    }
    case 'other_epoch': {
      const message = `the offset belongs to the epoch ${ack.epoch}, and the ledger's is ${outcome.epoch}`
      return new HoldfastError('POSITION_LOST', message, { details: { epoch: outcome.epoch } })
    }
    case 'too_many': {
      const message = `a user has at most ${maxPerUser} cursors`
      return new HoldfastError('LIMIT_EXCEEDED', message, { details: { told: message } })
    }
    default:
      return outcome satisfies never
  }
}
