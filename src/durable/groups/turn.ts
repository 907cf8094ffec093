import {
  isConnectionError,
  type Logger,
  type Sql,
  type Transaction,
  transaction,
} from '../../platform/index.ts'
import type { Buckets } from '../../telemetry/index.ts'
import type { PoolUse } from '../ledger/answering-pool.ts'
import { allow, Connections, usualTimeoutMs } from './connections.ts'
import type { Statements } from './delivery-rows.ts'
import { type Failure, failureOf, NobodysFault } from './failure.ts'
import { FailureLog } from './failure-log.ts'
import { callEnd, callHandler, type Fault, type TurnItem } from './handler-call.ts'
import type { GroupSettings } from './settings.ts'
import { sqlState } from './sql-state.ts'
import type { Blame } from './turn-sizes.ts'
import { endTurn, inTurn, turnSpan } from './turn-span.ts'

/** Some events that share a transaction with their settlement. */
export interface TurnWork {
  readonly settings: GroupSettings
  /** Of a group, its name. */
  readonly group?: string
  readonly epoch: string
  readonly items: readonly TurnItem[]
  /** Before the handlers: claims the items, and returns those that nobody has settled. */
  readonly take?: (tx: Transaction) => Promise<readonly TurnItem[]>
  /**
   * After the handlers: the settlement, as statements that are all under way when it returns; nobody waits for them
   * before the commit. HF006 and HF001 say that the place is not ours any more.
   */
  readonly settle?: (tx: Transaction) => Statements
  /** Aborted when nothing can be settled any more. */
  readonly signal: AbortSignal
  /** Where it is counted how long handlers take, in seconds. */
  readonly duration?: Buckets
}

export type TurnResult =
  | { readonly kind: 'settled' }
  /** All is rolled back. The failure is that of the item to blame, where it is one; `threw`: no handler has asked for it. */
  | Failed
  /** Rolled back: the place is another's by now. */
  | { readonly kind: 'lost' }
  /** Postgres could not: whether it is settled is not known. */
  | { readonly kind: 'unavailable'; readonly error: unknown }
  | { readonly kind: 'aborted' }

interface Failed {
  readonly kind: 'failed'
  readonly blame: Blame
  readonly failure: Failure
  readonly threw: boolean
}

/** How long Postgres may take for what is not a handler's: a begin with a new connection, a commit. */
const answerMs = 12_000
/** Postgres: nothing is done any more in a transaction in which something has failed. */
const spoiltBefore = '25P02'

/** The transactions in which handlers work. At least once in, once in effect. */
export class Turns {
  readonly #connections: Connections
  readonly #logger: Logger
  readonly #failures: FailureLog

  /** @param orm whether handlers may use drizzle (`ormOver`) */
  constructor(url: string, poolSize: number, logger: Logger, orm = false) {
    this.#connections = new Connections(url, poolSize, logger, orm)
    this.#logger = logger
    this.#failures = new FailureLog(logger)
  }

  /** Never rejects. */
  async run(work: TurnWork): Promise<TurnResult> {
    const span = turnSpan(work.group, work.items)
    const result = await inTurn(span, work.group, () => this.#run(work))
    endTurn(span, result.kind === 'failed' ? result.failure.kind : result.kind)
    return result
  }

  async #run(work: TurnWork): Promise<TurnResult> {
    const sql = await this.#connections.take()
    const turn = new Turn(sql, work, this.#logger)
    const result = work.signal.aborted ? ({ kind: 'aborted' } as const) : await turn.run()
    if (turn.cut) this.#connections.cut(sql)
    else this.#connections.free(sql)
    // In a batch it is not known yet whose failure it is: the parts are tried by themselves.
    const [item, ...others] = work.items
    if (result.kind === 'failed' && item && others.length === 0) this.#failures.tell(item, result.failure)
    return result
  }

  /** The connections that handlers work in. */
  get pool(): PoolUse {
    return this.#connections.use
  }

  close(): Promise<void> {
    return this.#connections.close()
  }
}

/** Why a transaction is not waited for any more. */
type Abandonment = 'too_slow' | 'aborted' | 'silent'

class Turn {
  readonly #sql: Sql
  readonly #work: TurnWork
  readonly #logger: Logger
  readonly #controller = new AbortController()
  readonly #abandon = Promise.withResolvers<Abandonment>()
  readonly #afterCommit: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined
  #settling: Promise<unknown> | undefined
  /** All handlers are done; what follows is the database's. */
  #handled = false
  /** The items whose handler is at work, or was last. */
  #at: readonly TurnItem[] = []
  #failed: Failed | undefined
  #again = false
  #abandoned = false
  /** The connection is not fit for another turn. */
  cut = false

  constructor(sql: Sql, work: TurnWork, logger: Logger) {
    this.#sql = sql
    this.#work = work
    this.#logger = logger
  }

  async run(): Promise<TurnResult> {
    const { signal } = this.#work
    const abort = () => this.#leave('aborted')
    signal.addEventListener('abort', abort)
    this.#expect(answerMs, 'silent')
    try {
      const done = transaction(this.#sql, tx => this.#inside(tx)).then(
        () => this.#settling,
        error => this.#refusedOr(error),
      )
      const end = await Promise.race([done, this.#abandon.promise])
      if (typeof end === 'string') {
        done.catch(() => undefined)
        return this.#abandonedAs(end as Abandonment)
      }
    } catch (error) {
      return this.#failedWith(error)
    } finally {
      this.#expectNothing()
      signal.removeEventListener('abort', abort)
    }
    this.#runAfterCommit()
    return { kind: 'settled' }
  }

  async #inside(tx: Transaction): Promise<void> {
    const { settings, epoch, items, take, settle } = this.#work
    const { handlerTimeoutMs } = settings
    const context = {
      tx,
      turn: this.#work,
      epoch,
      signal: this.#controller.signal,
      heartbeat: () => this.#expect(handlerTimeoutMs, 'too_slow'),
      afterCommit: (act: () => void) => void this.#afterCommit.push(act),
    }
    if (handlerTimeoutMs !== usualTimeoutMs) allow(tx, handlerTimeoutMs)
    const taken = take ? await take(tx) : items
    for (let from = 0, end = 0; from < taken.length; from = end) {
      end = callEnd(taken, from)
      this.#at = taken.slice(from, end)
      this.#expect(handlerTimeoutMs, 'too_slow')
      const calledAt = performance.now()
      const outcome = await callHandler(this.#at, context)
      this.#work.duration?.record((performance.now() - calledAt) / 1_000)
      if (this.#abandoned) throw new RollBack()
      if (outcome.kind === 'done') continue
      if (outcome.kind === 'fault') throw this.#blamed(outcome)
      this.#failed = { kind: 'failed', blame: this.#blame(), failure: outcome, threw: false }
      throw new RollBack()
    }
    this.#handled = true
    this.#expect(answerMs, 'silent')
    // Not waited for: the commit follows in the same packet. If the settlement is refused, that commit is a rollback.
    this.#settling = settle && Promise.all(settle(tx)).catch(cause => Promise.reject(new Refused({ cause })))
    this.#settling?.catch(() => undefined)
  }

  #blamed({ error, statement, unfinished }: Fault): Error {
    if (unfinished) this.cut = true
    if (isPassing(statement) || error instanceof NobodysFault) this.#again = true
    else this.#failed = this.#failedNow(error)
    return error
  }

  #failedNow(error: unknown): Failed {
    const failure = failureOf(error, this.#at[0]?.attempt ?? 1, this.#work.settings)
    return { kind: 'failed', blame: this.#blame(), failure, threw: true }
  }

  /** The stretch that the call is about; between its items there may be some that are not taken. */
  #blame(): Blame {
    const [first, last] = [this.#at[0], this.#at.at(-1)].map(item => item && this.#work.items.indexOf(item))
    return { index: first ?? 0, count: (last ?? 0) - (first ?? 0) + 1 }
  }

  /** A refused settlement is the transaction's error too, and nobody's fault; unless all was spoilt before it. */
  async #refusedOr(error: unknown): Promise<never> {
    await this.#settling?.catch(refused => {
      if (sqlState(refused.cause) !== spoiltBefore) throw refused
    })
    throw error
  }

  #failedWith(error: unknown): TurnResult {
    if (this.#failed) return this.#failed
    const cause = error instanceof Refused ? error.cause : error
    const state = sqlState(cause)
    if (state === 'HF006' || state === 'HF001') return { kind: 'lost' }
    // A statement that a handler did not wait for has failed; or, at the commit, a constraint that is checked then.
    const spoilt = this.#handled && !(error instanceof Refused)
    if (this.#again || isPassing(cause) || !spoilt) return { kind: 'unavailable', error: cause }
    const { items, settings } = this.#work
    const [only] = items.length === 1 ? items : []
    const blame = { index: 0, count: items.length }
    return { kind: 'failed', blame, failure: failureOf(cause, only?.attempt ?? 1, settings), threw: true }
  }

  #abandonedAs(end: Abandonment): TurnResult {
    if (end === 'aborted') return { kind: 'aborted' }
    if (end === 'silent')
      return { kind: 'unavailable', error: new Error(`Postgres has not answered for ${answerMs} ms`) }
    const { handlerTimeoutMs } = this.#work.settings
    const late = new Error(`the handler has taken longer than ${handlerTimeoutMs} ms without a heartbeat`)
    return this.#failedNow(late)
  }

  #expect(ms: number, otherwise: Abandonment): void {
    if (this.#abandoned) return
    this.#expectNothing()
    const timer = setTimeout(() => {
      // After a long turn timers fire before sockets are read: an answer that lies there is still in time.
      setImmediate(() => {
        if (this.#timer === timer) this.#leave(otherwise)
      })
    }, ms)
    this.#timer = timer
  }

  #expectNothing(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #leave(why: Abandonment): void {
    // What is being committed cannot be called back; the fence decides about it.
    if (why === 'aborted' && this.#handled) return
    this.#abandoned = true
    this.cut = true
    this.#controller.abort(
      new Error(why === 'too_slow' ? 'the handler has taken too long' : 'this work is lost'),
    )
    this.#abandon.resolve(why)
  }

  #runAfterCommit(): void {
    for (const act of this.#afterCommit) {
      try {
        act()
      } catch (error) {
        this.#logger.error({ err: error }, 'what a handler wanted done after the commit has thrown')
      }
    }
  }
}

/** The end of a transaction that is nobody's error. */
class RollBack extends Error {}

/** The settlement was refused, and so all is rolled back. */
class Refused extends Error {
  constructor({ cause }: { cause: unknown }) {
    super('the settlement was refused', { cause })
  }
}

/**
 * No event has caused it: Postgres went away, is stopping or starting, or two transactions were in each other's way. The same
 * is to be done again.
 */
function isPassing(error: unknown): boolean {
  return isConnectionError(error) || /^(08...|57P0.|53300|25P03|40001|40P01)$/.test(sqlState(error))
}
