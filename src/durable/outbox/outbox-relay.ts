import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError } from '../../domain/index.ts'
import { connectPostgres, type Logger } from '../../platform/index.ts'
import { AnsweringPool } from '../ledger/answering-pool.ts'
import { KnownHeads } from '../ledger/known-heads.ts'
import { lossAdvice } from '../ledger/loss-evidence.ts'
import { outcomeOf, storedEvents } from '../ledger/outcomes.ts'
import { isAboutContent, postgresError } from '../ledger/postgres-error.ts'
import type { OpenTier } from '../log-access.ts'
import { within } from '../mirror/deadline.ts'
import {
  batchLimits,
  type FitRow,
  type OutboxRow,
  readVisible,
  relayRows,
  type UnfitRow,
} from './outbox-rows.ts'
import { type CheckOptions, checkRows } from './row-check.ts'
import { ScanStart } from './scan-start.ts'

export interface OutboxRelayOptions extends Pick<CheckOptions, 'namespaces' | 'check' | 'undeclaredSeconds'> {
  readonly tier: OpenTier
  readonly url: string
  /** How long an empty outbox is left alone, at most, in milliseconds. */
  readonly idleMs: number
  readonly logger: Logger
}

export interface OutboxRelay {
  /** Finishes the batch in hand. Before the tier is closed, which makes known what the batch has stored. */
  stop(): Promise<void>
}

/**
 * How a turn ended: there may be more at once, what was read is done, nothing was there, another relay is at it, or
 * nothing was there but what is left for later.
 */
type Turn = 'more' | 'done' | 'empty' | 'elsewhere' | 'postponed'

interface Moved {
  /** For how many rows something was done. */
  readonly count: number
  /** Channels of which rows are where they were: somebody has them open. */
  readonly left: ReadonlySet<string>
}

const shortestPauseMs = 20
const failurePauseMs = { first: 100, most: 5_000 }
/** Long enough to read past many millions of dead rows; the waits for locks have a limit of their own. */
const timeouts = { statementMs: 10_000, answerMs: 10_500 }
/** A Postgres that hangs must not keep the process: what the batch in hand did is as unknown as after a kill. */
const stopPatienceMs = 3_000
/** Channels that are passed over at a time; where there are more, what is behind them waits with them. */
const maxWaiting = 10_000
/** How long at least, so that a turn always gets behind them. */
const passOverMs = 500
/** Refusals that follow on each other faster are not told again. */
const quietMs = 60_000

/**
 * Moves what applications have committed to the outbox into the ledger: at once after work, else every 20 to `idleMs`
 * milliseconds. Any number of relays may run on one database, of which one moves a batch at a time. Killed at any point, it
 * leaves a row either in the outbox or in the ledger.
 *
 * It asks instead of being told: a transaction with a NOTIFY takes a lock of the whole server in its commit, so that all
 * such commits wait for each other.
 */
export function startOutboxRelay(options: OutboxRelayOptions): OutboxRelay {
  const relay = new Relay(options)
  const running = relay.run()
  return {
    async stop() {
      relay.stopping.abort()
      await within(running, stopPatienceMs, 'the batch in hand').catch(() => undefined)
      await relay.close()
      await running
    },
  }
}

class Relay {
  readonly stopping = new AbortController()
  readonly #options: OutboxRelayOptions
  readonly #pool: AnsweringPool
  /** Its own: the ledger takes what its appender knows as what its listeners have heard. */
  readonly #heads = new KnownHeads()
  #start = new ScanStart()
  #epoch: string
  #failing: string | undefined
  #quietUntil = 0
  /** Channels whose first row has to wait: for a while they are passed over, so that nobody waits behind them. */
  readonly #waiting = new Set<string>()
  #waitingUntil = 0

  constructor(options: OutboxRelayOptions) {
    this.#options = options
    this.#epoch = options.tier.log.ledger.epoch
    const open = () =>
      connectPostgres(options.url, {
        max: 1,
        applicationName: 'holdfast-outbox',
        statementTimeoutMs: timeouts.statementMs,
        settings: { enable_seqscan: 'off', enable_bitmapscan: 'off', jit: 'off' },
        logger: options.logger,
      })
    this.#pool = new AnsweringPool(open, { timeoutMs: timeouts.answerMs, graceSeconds: 0 })
  }

  async run(): Promise<void> {
    const { signal } = this.stopping
    let pauseMs = shortestPauseMs
    while (!signal.aborted) {
      try {
        const turn = await this.#turn()
        pauseMs = this.#pauseAfter(turn, pauseMs)
        if (this.#waiting.size === 0 && turn !== 'postponed') this.#wentWell()
      } catch (error) {
        const { first, most } = failurePauseMs
        pauseMs = Math.min(Math.max(2 * pauseMs, first), most)
        if (!signal.aborted) this.#failed(error)
      }
      // Spread, so that relays which were started together do not ask together for ever.
      await delay(pauseMs * (0.75 + Math.random() / 4), undefined, { signal }).catch(() => undefined)
    }
  }

  close(): Promise<void> {
    return this.#pool.close()
  }

  #pauseAfter(turn: Turn, pauseMs: number): number {
    const { idleMs } = this.#options
    if (turn === 'more') return 0
    if (turn === 'done') return Math.min(shortestPauseMs, idleMs)
    return turn === 'empty' ? Math.min(Math.max(2 * pauseMs, shortestPauseMs), idleMs) : idleMs
  }

  async #turn(): Promise<Turn> {
    const { tier, namespaces, undeclaredSeconds, check } = this.#options
    if (tier.log.ledgerBehind) throw new HoldfastError('LEDGER_BEHIND', lossAdvice)
    this.#noticeEpoch()
    if (performance.now() >= this.#waitingUntil) this.#waiting.clear()
    const rows = await this.#read()
    if (rows.length === 0) {
      const postponed = this.#waiting.size > 0
      this.#waiting.clear()
      return postponed ? 'postponed' : 'empty'
    }
    const { partitions } = tier.log.ledger
    const { fit, unfit, waiting, postponed } = await checkRows(rows, {
      namespaces,
      partitions,
      undeclaredSeconds,
      check,
    })
    if (postponed) this.#failed(postponed)
    const moved =
      fit.length + unfit.length > 0 ? await this.#move(fit, unfit) : { count: 0, left: new Set<string>() }
    if (moved === 'elsewhere') return 'elsewhere'
    if (waiting.size + moved.left.size > 0) return this.#passOver([...waiting, ...moved.left])
    if (moved.count === 0) return 'elsewhere'
    return rows.length === batchLimits.events ? 'more' : 'done'
  }

  async #read(): Promise<readonly OutboxRow[]> {
    // What is passed over is still there: only a read of everything tells where the next one may begin.
    const whole = this.#waiting.size === 0
    const rows = await this.#pool.run(async sql =>
      readVisible(sql, await this.#start.from(sql, performance.now()), this.#waiting),
    )
    if (whole) this.#start.saw(rows)
    return rows
  }

  #passOver(channels: readonly string[]): Turn {
    for (const channel of channels) this.#waiting.add(channel)
    if (this.#waiting.size > maxWaiting) {
      this.#waiting.clear()
      return 'postponed'
    }
    this.#waitingUntil = performance.now() + Math.max(this.#options.idleMs, passOverMs)
    return 'more'
  }

  async #move(fit: readonly FitRow[], unfit: readonly UnfitRow[]): Promise<Moved | 'elsewhere'> {
    try {
      return await this.#relay(fit, unfit)
    } catch (thrown) {
      const error = postgresError(thrown)
      const [only] = fit
      if (!only || !isAboutContent(error)) throw error
      // One of them cannot be stored: they are halved until it is alone.
      if (fit.length === 1) return this.#relay([], [...unfit, { id: only.id, reason: error.message }])
      const middle = Math.ceil(fit.length / 2)
      const first = await this.#move(fit.slice(0, middle), unfit)
      if (first === 'elsewhere') return first
      // Nothing may overtake what was left of its channel.
      const rest = fit.slice(middle).filter(({ entry }) => !first.left.has(entry.channel))
      if (rest.length === 0) return first
      const second = await this.#move(rest, [])
      if (second === 'elsewhere') return first
      return { count: first.count + second.count, left: new Set([...first.left, ...second.left]) }
    }
  }

  async #relay(fit: readonly FitRow[], unfit: readonly UnfitRow[]): Promise<Moved | 'elsewhere'> {
    const { ledger } = this.#options.tier.log
    const place = { epoch: this.#epoch, server: ledger.server }
    // Where the answer is lost, the rows are there at the next look or they are not, and then the sweeper announces them.
    const results = await this.#pool.run(sql => relayRows(sql, place, { fit, unfit }, this.#heads))
    if (!results) return 'elsewhere'
    const left = new Set<string>()
    const outcomes = fit.flatMap(({ id, entry }) => {
      const result = results.get(id)
      if (result) return [outcomeOf(entry, result)]
      left.add(entry.channel)
      return []
    })
    const stored = storedEvents(outcomes)
    this.#heads.learn(stored)
    if (ledger.epoch === place.epoch) ledger.announce(stored)
    const collided = outcomes.filter(outcome => outcome.kind === 'refused')
    if (unfit.length + collided.length > 0) this.#refused([...unfit, ...collided])
    return { count: outcomes.length + unfit.length, left }
  }

  /** The ids of a database that was restored may begin again, and so may its positions. */
  #noticeEpoch(): void {
    const { epoch } = this.#options.tier.log.ledger
    if (epoch === this.#epoch) return
    this.#epoch = epoch
    this.#heads.forget()
    this.#start = new ScanStart()
    this.#waiting.clear()
  }

  /** One line for a flood: how many there are, the operations and the metrics say. */
  #refused(rows: readonly { readonly reason: string }[]): void {
    const now = performance.now()
    const level = now < this.#quietUntil ? 'debug' : 'warn'
    this.#quietUntil = now + quietMs
    this.#options.logger[level](
      { refused: rows.length, reason: rows[0]?.reason },
      'events in the outbox cannot be recorded: see "holdfast outbox refused"',
    )
  }

  #wentWell(): void {
    if (this.#failing === undefined) return
    this.#failing = undefined
    this.#options.logger.info('the outbox is relayed again')
  }

  /** Once per kind: a long outage is one story. */
  #failed(thrown: unknown): void {
    const error = postgresError(thrown)
    const kind = `${error.code} ${error.details['postgres'] ?? ''}`
    const level = this.#failing === kind ? 'debug' : 'warn'
    this.#failing = kind
    this.#options.logger[level]({ err: error }, 'the outbox could not be relayed; it is tried again')
  }
}
