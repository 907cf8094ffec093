import {
  AnsweringPool,
  type BackgroundLoop,
  type LogAccess,
  leadingSession,
  startLoop,
} from '../../durable/index.ts'
import { connectPostgres, type Logger } from '../../platform/index.ts'
import { deliveryWatchLock } from '../locks.ts'
import { allBuilds } from '../registry.ts'
import { projectionSchema } from '../types.ts'
import { lookAtOpenRows, type Place, removeOldRows } from './delivery-rows.ts'

export interface DeliveryWatchOptions {
  /** Of Postgres. */
  readonly url: string
  readonly log: LogAccess
  /** How long after an event its row is kept. */
  readonly keepSeconds: number
  readonly logger: Logger
}

/** A row is seldom older than this when it is looked at again. */
const restMs = 1_000
const removeEveryMs = 60_000
/** In one pass and table, so that what nobody settles for days costs no more than this a second. */
const mostPages = 10
/** Of one that is silent for so long, Postgres ends the session, and another process takes over. */
const silenceMs = 10_000
/** Above what Postgres gives a statement. */
const answerMs = 12_000

/** A page's rows are looked up by indexes: without statistics, as in a young database, other plans read whole tables for each. */
const oneByOne = { enable_seqscan: 'off', enable_hashjoin: 'off', enable_mergejoin: 'off', jit: 'off' }

/**
 * Brings the rows of the read model `deliveries` up to date: what of them is mirrored, and who has settled them. One of all
 * processes does it; that two do for a moment harms nothing.
 */
export function startDeliveryWatch({ url, log, keepSeconds, logger }: DeliveryWatchOptions): BackgroundLoop {
  const open = () =>
    connectPostgres(url, {
      max: 1,
      applicationName: 'holdfast-deliveries',
      settings: { idle_session_timeout: `${silenceMs}`, ...oneByOne },
      logger,
    })
  const pool = new AnsweringPool(open, { timeoutMs: answerMs, graceSeconds: 0 })
  const places = new Map<string, Place>()
  let session = 0
  let removed = 0
  const loop = startLoop({
    restMs,
    async work(stopping) {
      session = await leadingSession(pool, [deliveryWatchLock, 0], session)
      if (session === 0) return
      const mirrored = await mirroredUpTo(log)
      const old = performance.now() - removed >= removeEveryMs
      if (old) removed = performance.now()
      for (const table of await tables(pool)) {
        for (let page = 0; page < mostPages && !stopping.aborted; page++) {
          const next = await pool.run(sql => lookAtOpenRows(sql, table, mirrored, places.get(table)))
          if (next) places.set(table, next)
          else places.delete(table)
          if (!next) break
        }
        let more = old
        while (more && !stopping.aborted) more = await pool.run(sql => removeOldRows(sql, table, keepSeconds))
      }
    },
    onFailure: error => logger.warn({ err: error }, 'what became of events could not be looked at'),
  })
  return {
    async stop() {
      const stopped = loop.stop()
      // What a Postgres that does not answer keeps waiting ends with its connection.
      await pool.close()
      await stopped
    },
  }
}

/** By partition, how far the log goes; empty while it can't be asked. Undefined where there is none. */
async function mirroredUpTo({ ledger, redis }: LogAccess): Promise<ReadonlyMap<number, number> | undefined> {
  if (!redis) return undefined
  const partitions = Array.from({ length: ledger.partitions }, (_, partition) => partition)
  const states = await redis.mirrors.states(partitions).catch(() => [])
  return new Map(states.flatMap((state, partition) => (state ? [[partition, state.last] as const] : [])))
}

/** Of all builds that are kept up to date. */
async function tables(pool: AnsweringPool): Promise<readonly string[]> {
  const builds = await pool.run(sql => allBuilds(sql, 'deliveries'))
  return builds.flatMap(({ state, tables: { events } }) =>
    state !== 'dropped' && events ? [`${projectionSchema}.${events.physical}`] : [],
  )
}
