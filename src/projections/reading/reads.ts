import { AnsweringPool, type GroupOperations, watchCheckpoints } from '../../durable/index.ts'
import { connectPostgres, type Logger } from '../../platform/index.ts'
import type { StatesTables } from '../reducer.ts'
import type { Projection, ProjectionTables, Reducer } from '../types.ts'
import { type ProjectionHandle, projectionHandle, type ReducerHandle, reducerHandle } from './handle.ts'
import { createReadModels, type ReadModels } from './read-models.ts'

export interface Reads extends ReadModels {
  handle<Tables extends ProjectionTables>(projection: Projection<Tables>): ProjectionHandle<Tables>
  reducerHandle<State>(reducer: Reducer<State, StatesTables<State>>): ReducerHandle<State>
  close(): Promise<void>
}

export interface ReadsOptions {
  /** Of Postgres. */
  readonly url: string
  readonly groups: Pick<GroupOperations, 'list'>
  readonly logger: Logger
}

/** Connections: for pages, for the application's own queries, and for what comes before them, which must not wait for either. */
const pools = { pages: 4, queries: 4, looks: 2, waits: 1 }
/** Pages that are read, or wait for a connection. */
const mostReading = 64
/** Below what a caller of the API is kept waiting. */
const statementTimeoutMs = 10_000
/** Who gets no answer at all for so long gets an error, and who comes later other connections. */
const answerMs = { pages: 12_000, looks: 12_000, queries: 30_000 }
/** For statements of others on connections that are given up. */
const graceSeconds = 10

/** Reads of read models, over connections of their own: a slow query keeps nobody from appending. Opens them when needed. */
export function openReads({ url, groups, logger }: ReadsOptions): Reads {
  const settings = { timezone: 'UTC', default_transaction_read_only: 'on' }
  const applicationName = 'holdfast-reads'
  const connect = (max: number, orm: boolean) =>
    connectPostgres(url, { max, applicationName, statementTimeoutMs, settings, orm, logger })
  const poolOf = (kind: keyof typeof answerMs, mostInHand?: number) =>
    new AnsweringPool(() => connect(pools[kind], kind === 'queries'), {
      timeoutMs: answerMs[kind],
      graceSeconds,
      atOnce: pools[kind],
      ...(mostInHand !== undefined && { mostInHand }),
    })
  const pages = poolOf('pages', mostReading)
  const queries = poolOf('queries')
  const looks = poolOf('looks')
  const checkpoints = watchCheckpoints(() => connect(pools.waits, false))
  const parts = { looks, queries, checkpoints, groups }
  return {
    ...createReadModels({ pages, checkpoints }),
    handle: projection => projectionHandle(projection, parts),
    reducerHandle: reducer => reducerHandle(reducer, parts),
    async close() {
      await Promise.all([pages, queries, looks, checkpoints].map(one => one.close()))
    },
  }
}
