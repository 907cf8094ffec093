import { getTableColumns } from 'drizzle-orm'
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core'
import { type BatchHandler, NobodysFault } from '../durable/index.ts'
import { ormOver, type Transaction } from '../platform/index.ts'
import { endedBy, followActive, spanAttributes } from '../tracing/index.ts'
import { blamedForEvents } from './blame.ts'
import type { BoundTables } from './bound-tables.ts'
import type { ProjectionHooks } from './hooks.ts'
import { buildLock } from './locks.ts'
import type { ApplyContext, Build, BuildState, BuildTable, Projection } from './types.ts'

interface BatchParts {
  readonly projection: Projection
  readonly build: Build
  readonly bound: BoundTables
  readonly hooks: ProjectionHooks
  /** So many events are settled with what they mean. */
  readonly onApplied: (events: number) => void
}

type Keys = Map<string, Readonly<Record<string, unknown>>>

/** Hands the events of a turn to a projection, for one build. */
export function batchHandler({ projection, build, bound, hooks, onApplied }: BatchParts): BatchHandler {
  const act = async (
    events: Parameters<BatchHandler>[0],
    { tx, signal, heartbeat, afterCommit }: Parameters<BatchHandler>[1],
  ): Promise<void> => {
    const state = await standing(tx, build).catch(error => Promise.reject(blameless(error)))
    // Its group is gone too, or is about to be: nobody is to blame.
    if (state === 'dropped') throw new NobodysFault('the build was dropped')
    const active = state === 'active'
    const keys = new Map<string, Keys>()
    await projection.apply(events, {
      db: ormOver(tx),
      tx,
      tables: bound.tables,
      // A mistake in it is found while a build is made, not when it becomes the one that readers see.
      changed: (table, rows) => (projection.changes ? collect(keys, bound, build, table, rows) : undefined),
      building: !active,
      signal,
      heartbeat,
      afterCommit,
    } satisfies ApplyContext)
    afterCommit(() => onApplied(events.length))
    if (active && keys.size > 0) {
      const told = new Map([...keys].map(([table, own]) => [table, [...own.values()]]))
      await hooks.changed({ projection, build, keys: told, tx, afterCommit })
    }
  }
  return async (events, context) => {
    const span = followActive(`projection ${projection.name}`, {
      attributes: {
        [spanAttributes.version]: projection.version,
        [spanAttributes.batchSize]: events.length,
      },
    })
    try {
      return await endedBy(span, span ? span.within(() => act(events, context)) : act(events, context))
    } catch (error) {
      throw blamedForEvents(error, build.tables)
    }
  }
}

/**
 * The state of the build until the commit: who switches waits for this transaction, or is waited for. So nobody is told of
 * changes in a build that is not read any more, and none of the one that is goes untold.
 */
async function standing(tx: Transaction, { id }: Build): Promise<BuildState> {
  // The second has to see what was decided while the first one waited, so they are two, in one packet.
  const [, rows] = await Promise.all([
    tx`select pg_advisory_xact_lock_shared(${buildLock}, ${id})`,
    tx<{ state: BuildState }[]>`select state from holdfast.projection_builds where id = ${id}`,
  ])
  return rows[0]?.state ?? 'dropped'
}

/** Postgres: who switches or drops the build took longer than a statement may wait. */
function blameless(error: unknown): unknown {
  const { code } = error as { code?: unknown }
  return code === '55P03' || code === '57014'
    ? new NobodysFault('the build is being switched or dropped', { cause: error })
    : error
}

function collect(
  all: Map<string, Keys>,
  { byName }: BoundTables,
  build: Build,
  table: PgTable,
  rows: readonly Readonly<Record<string, unknown>>[],
): void {
  const name = [...byName].find(([, one]) => one === table)?.[0]
  const known = name === undefined ? undefined : build.tables[name]
  if (name === undefined || !known)
    throw new TypeError(`changed: ${getTableConfig(table).name} is none of the tables that were given`)
  const own: Keys = all.get(name) ?? new Map()
  all.set(name, own)
  for (const row of rows) {
    const key = keyOf(name, known, table, row)
    own.set(
      JSON.stringify(key, (_, value) => (typeof value === 'bigint' ? `${value}n` : value)),
      key,
    )
  }
}

/** By column names in SQL, as values that fit into JSON and that Postgres takes for the column's type. */
function keyOf(
  name: string,
  { key, columns }: BuildTable,
  table: PgTable,
  row: Readonly<Record<string, unknown>>,
) {
  const drizzle = getTableColumns(table)
  return Object.fromEntries(
    key.map(column => {
      const property = columns.find(one => one.name === column)?.property ?? column
      const value = row[property]
      if (value === undefined || value === null)
        throw new TypeError(`changed: a row of ${name} without ${property}, which is of its primary key`)
      const given = drizzle[property]?.mapToDriverValue(value) ?? value
      return [column, typeof given === 'bigint' ? String(given) : given]
    }),
  )
}
