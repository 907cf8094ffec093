import { connectPostgres, type Logger } from '../../platform/index.ts'
import { leadingSession } from '../background-loop.ts'
import { AnsweringPool } from '../ledger/answering-pool.ts'

/** Beside the lock of the rules. */
const leaderLock = [1_212_566_598, 2] as const

/** Who leads asks about twice a second; of one that is silent for so long, Postgres ends the session. */
const silenceMs = 10_000

/**
 * One of all processes does what need not be done by several. It holds a lock of its session: who dies, hangs or loses
 * its connection is followed by another. That two believe for a moment that they lead must do no harm.
 */
export class Leadership {
  readonly #pool: AnsweringPool
  #session = 0

  constructor(url: string, logger: Logger, silentMs = silenceMs) {
    const open = () =>
      connectPostgres(url, {
        max: 1,
        applicationName: 'holdfast-jobs-leader',
        // A process that is stopped, or whose route is lost, ends no connection.
        settings: { idle_session_timeout: `${silentMs}` },
        logger,
      })
    this.#pool = new AnsweringPool(open, { timeoutMs: 5_000, graceSeconds: 0 })
  }

  /** Whether this process leads now, which it may have begun to do by asking. @throws HoldfastError DEPENDENCY_* */
  async leads(): Promise<boolean> {
    this.#session = await leadingSession(this.#pool, leaderLock, this.#session)
    return this.#session !== 0
  }

  /** Lets another process lead. @throws HoldfastError DEPENDENCY_* */
  async resign(): Promise<void> {
    this.#session = 0
    await this.#pool.run(sql => sql`select pg_advisory_unlock(${leaderLock[0]}, ${leaderLock[1]})`)
  }

  async close(): Promise<void> {
    await this.#pool.close()
  }
}
