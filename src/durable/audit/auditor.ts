import { setTimeout as delay } from 'node:timers/promises'
import { connectPostgres, type Logger } from '../../platform/index.ts'
import { leadingSession } from '../background-loop.ts'
import { AnsweringPool } from '../ledger/answering-pool.ts'
import type { LogAccess } from '../log-access.ts'
import { auditRecent } from './recent.ts'
import type { Difference, PartitionAudit } from './types.ts'
import { auditWhole } from './whole.ts'

/** Beside the locks of retention and the outbox. */
const leaderLock = [1_212_566_599, 1] as const
/** Newest events of a partition that are compared in each pass. */
export const auditWindow = 100
/** A whole partition is counted in one statement; where that takes longer, it is left out. */
const statementMs = 60_000
/** Who leads asks several times a second; of one that is silent for so long, Postgres ends the session. */
const silenceMs = 120_000
/** How long who does not lead waits until it asks again, and who was not answered. */
const restMs = 3_000
/** Counting whole partitions takes no more than so much of one connection's time. */
const wholeShare = 0.02
/** An erased event's copies are removed within seconds; seen in two passes, one of them has stayed. */
const mostSeen = 1_000

/** Who hears of what is found. */
export interface AuditSink {
  /** Whether this process audits from now on. */
  leads(leading: boolean): void
  found(audit: PartitionAudit): void
  /** All partitions have been gone through. */
  completed(scope: PartitionAudit['scope']): void
}

export interface AuditorOptions {
  readonly url: string
  readonly log: LogAccess
  /** Over how long a pass through the newest events of all partitions is spread. */
  readonly intervalMs: number
  readonly sink: AuditSink
  readonly logger: Logger
}

/**
 * Goes through the ledger again and again, on one of all processes: the newest events of every partition with their copies,
 * and, slowly, the numbering of every event.
 */
export class Auditor {
  readonly #options: AuditorOptions
  readonly #pool: AnsweringPool
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  #session = 0
  #leading = false
  #troubled = false
  #nextWhole = 0
  /** Whether every partition since the first was counted. */
  #wholeComplete = true
  #wholeDueAt = 0
  /** Copies of erased events that were seen in the pass before, and in this one. */
  #erasedBefore: ReadonlySet<string> = new Set()
  #erasedNow = new Set<string>()

  constructor(options: AuditorOptions) {
    this.#options = options
    const { url, logger } = options
    const open = () =>
      connectPostgres(url, {
        max: 1,
        applicationName: 'holdfast-audit',
        statementTimeoutMs: statementMs,
        settings: { idle_session_timeout: `${silenceMs}`, enable_seqscan: 'off', jit: 'off' },
        logger,
      })
    this.#pool = new AnsweringPool(open, { timeoutMs: statementMs + 5_000, graceSeconds: 0 })
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    await this.#pool.close()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      let restedMs = restMs
      try {
        if (await this.#leads()) {
          await this.#pass()
          restedMs = 0
        }
        this.#troubled = false
      } catch (error) {
        if (this.#stopping.signal.aborted) return
        const level = this.#troubled ? 'debug' : 'warn'
        this.#options.logger[level]({ err: error }, 'the audit cannot go on; it is tried again')
        this.#troubled = true
      }
      await this.#rest(restedMs)
    }
  }

  async #leads(): Promise<boolean> {
    this.#session = await leadingSession(this.#pool, leaderLock, this.#session)
    const leading = this.#session !== 0
    if (leading !== this.#leading) {
      this.#options.sink.leads(leading)
      // A whole pass is one process' own: what another one has found went with it.
      this.#nextWhole = 0
      this.#wholeComplete = true
    }
    this.#leading = leading
    return leading
  }

  async #pass(): Promise<void> {
    const { ledger } = this.#options.log
    const stepMs = this.#options.intervalMs / ledger.partitions
    this.#erasedNow = new Set()
    let complete = true
    for (let partition = 0; partition < ledger.partitions; partition++) {
      const beganAt = performance.now()
      if (!(await this.#leads())) return
      complete = (await this.#recent(partition)) && complete
      await this.#wholeIfDue()
      await this.#rest(stepMs - (performance.now() - beganAt))
      if (this.#stopping.signal.aborted) return
    }
    this.#erasedBefore = this.#erasedNow
    if (complete) this.#options.sink.completed('recent')
  }

  async #recent(partition: number): Promise<boolean> {
    const { ledger, redis } = this.#options.log
    const { epoch } = ledger
    const copies = redis?.log.reachable ? { redis: redis.log, mirrors: redis.mirrors.at(epoch) } : undefined
    const request = { partition, epoch, events: auditWindow, copies }
    const audit = await this.#pool.run(sql => auditRecent(sql, request))
    if (!audit || ledger.epoch !== epoch) return false
    this.#options.sink.found({ ...audit, differences: audit.differences.filter(each => this.#stays(each)) })
    return true
  }

  async #wholeIfDue(): Promise<void> {
    if (performance.now() < this.#wholeDueAt) return
    const { ledger } = this.#options.log
    const { epoch } = ledger
    const partition = this.#nextWhole
    const beganAt = performance.now()
    try {
      const audit = await this.#pool.run(sql => auditWhole(sql, partition, epoch))
      if (!audit || ledger.epoch !== epoch) return
      this.#options.sink.found(audit)
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      // The others are counted all the same.
      this.#wholeComplete = false
      this.#options.logger.warn({ err: error, partition }, 'a whole partition could not be counted')
    } finally {
      const took = performance.now() - beganAt
      this.#wholeDueAt = performance.now() + took / wholeShare
    }
    this.#nextWhole = (partition + 1) % ledger.partitions
    if (this.#nextWhole !== 0) return
    if (this.#wholeComplete) this.#options.sink.completed('whole')
    this.#wholeComplete = true
  }

  #stays({ kind, channel, offset }: Difference): boolean {
    if (kind !== 'erased_copy') return true
    const key = `${channel} ${offset}`
    if (this.#erasedNow.size < mostSeen) this.#erasedNow.add(key)
    return this.#erasedBefore.has(key)
  }

  async #rest(ms: number): Promise<void> {
    if (ms > 0) await delay(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
  }
}
