import { connectPostgres, type Logger } from '../../platform/index.ts'
import { AnsweringPool, type PoolUse } from './answering-pool.ts'

export interface PoolsOptions {
  readonly url: string
  /** Connections for reads. */
  readonly poolSize: number
  /** Pools for appends, of one connection each. */
  readonly lanes: number
  readonly logger?: Logger
}

/** The server gives a statement up before we give up the connection: then its fate is known. */
const appendTimeout = { statementMs: 2_000, answerMs: 2_500 }
const readTimeout = { statementMs: 4_000, answerMs: 4_500 }
/** A plan made while the table is small must stay right when it has grown, and autovacuum comes only then. */
const indexesOnly = { enable_seqscan: 'off', enable_bitmapscan: 'off', jit: 'off' }

/** The connections of one ledger: a long read must not delay a commit. */
export function openPools({ url, poolSize, lanes, logger }: PoolsOptions): {
  readonly appends: readonly AnsweringPool[]
  readonly reads: AnsweringPool
  readonly uses: () => readonly PoolUse[]
} {
  const openAppends = () =>
    connectPostgres(url, {
      max: 1,
      applicationName: 'holdfast-append',
      statementTimeoutMs: appendTimeout.statementMs,
      ...(logger && { logger }),
    })
  const openReads = () =>
    connectPostgres(url, {
      max: poolSize,
      applicationName: 'holdfast-read',
      statementTimeoutMs: readTimeout.statementMs,
      settings: indexesOnly,
      ...(logger && { logger }),
    })
  const appends = Array.from(
    { length: lanes },
    () => new AnsweringPool(openAppends, { timeoutMs: appendTimeout.answerMs, graceSeconds: 0 }),
  )
  const reads = new AnsweringPool(openReads, { timeoutMs: readTimeout.answerMs, graceSeconds: 5 })
  const uses = () => [
    { pool: 'append', limit: lanes, running: appends.reduce((sum, pool) => sum + pool.running, 0) },
    { pool: 'read', limit: poolSize, running: reads.running },
  ]
  return { appends, reads, uses }
}
