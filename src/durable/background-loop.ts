import { setTimeout as delay } from 'node:timers/promises'
import type { AnsweringPool } from './ledger/answering-pool.ts'

export interface BackgroundLoop {
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>
}

/** Does something again and again, with a rest in between, until it is stopped. A failure is told; the next turn comes. */
export function startLoop(options: {
  readonly restMs: number
  readonly work: (stopping: AbortSignal) => Promise<unknown>
  readonly onFailure: (error: unknown) => void
}): BackgroundLoop {
  const stopping = new AbortController()
  const loop = async () => {
    while (!stopping.signal.aborted) {
      try {
        await options.work(stopping.signal)
      } catch (error) {
        if (!stopping.signal.aborted) options.onFailure(error)
      }
      await delay(options.restMs, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  }
  const running = loop()
  return {
    async stop() {
      stopping.abort()
      await running
    },
  }
}

/** Two numbers that name an advisory lock. */
export type LeaderLock = readonly [number, number]

/**
 * The number of the session that holds the lock, which it may have taken by this; 0 where it is another process's.
 * `before`: what the last call has returned. The pool has one connection, and who loses it loses the lock.
 * @throws HoldfastError DEPENDENCY_*
 */
export async function leadingSession(
  pool: AnsweringPool,
  [one, two]: LeaderLock,
  before: number,
): Promise<number> {
  const [row] = await pool.run(
    sql => sql<{ session: number; mine: boolean }[]>`
      select pg_backend_pid() as session,
             case when pg_backend_pid() = ${before} then true
                  else pg_try_advisory_lock(${one}, ${two}) end as mine`,
  )
  return row?.mine ? row.session : 0
}
