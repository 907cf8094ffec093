import { is } from 'drizzle-orm'
import { PgTable } from 'drizzle-orm/pg-core'
import type { Contract } from '../../contract/index.ts'
import { HoldfastError } from '../../domain/index.ts'
import type { Groups, HandlerEvent } from '../../durable/index.ts'
import { blamedForRows } from '../blame.ts'
import { RowWriter } from './row-writer.ts'
import type { BatchSink, BatchSinkOptions } from './types.ts'

const defaults = { maxRows: 500, maxDelayMs: 100 }

type Rows = BatchSinkOptions['row']

/**
 * Declares a consumer group that writes the rows of events into a table, many at a time, each in the transaction in which
 * its event is settled.
 * @throws HoldfastError CONFIG_INVALID for a bad name or option, or a name that a group has
 */
export function declareBatchSink<
  Table extends PgTable,
  C extends Contract,
  Channels extends string,
  Types extends string,
>(
  groups: Pick<Groups, 'group'>,
  name: string,
  options: BatchSinkOptions<Table, C, Channels, Types>,
): BatchSink {
  const {
    channels,
    types = '*',
    table,
    row,
    maxRows,
    maxDelayMs,
    onConflict,
    ...given
  } = checked(name, options as unknown as BatchSinkOptions)
  const status = { rows: 0, batches: 0 }
  const writer = new RowWriter(table, maxRows, onConflict)
  groups
    .group(name, { ...given, batchSize: maxRows, batchDelayMs: maxDelayMs })
    .onBatch(channels, types, async (events, { tx, afterCommit }) => {
      const rows = rowsOf(events, row)
      if (rows.length === 0) return
      // A table that is missing or locked, or a disk that is full, would have everything parked, one event after the other.
      const written = await writer.write(tx, rows).catch(error => Promise.reject(blamedForRows(error)))
      afterCommit(() => {
        status.rows += written
        status.batches++
      })
    })
  return { name, status: () => ({ ...status }) }
}

function rowsOf(events: readonly HandlerEvent[], row: Rows): Record<string, unknown>[] {
  return events.flatMap(event => {
    const made = row(event as Parameters<Rows>[0])
    if (made === undefined) return []
    const rows: readonly Record<string, unknown>[] = Array.isArray(made) ? made : [made]
    if (rows.some(each => typeof each !== 'object' || each === null || 'then' in each))
      throw new TypeError('expected a row, an array of rows, or undefined')
    return rows
  })
}

function checked(name: string, options: BatchSinkOptions): BatchSinkOptions & typeof defaults {
  const bad = (what: string) => new HoldfastError('CONFIG_INVALID', `batch sink ${name}: ${what}`)
  const { table, row, onConflict, channels } = options
  if (!is(table, PgTable)) throw bad('expected a table of drizzle as table')
  if (typeof row !== 'function') throw bad('expected a function as row')
  if (channels === undefined) throw bad('expected patterns of channels')
  if (onConflict !== undefined && onConflict !== 'nothing')
    throw bad(`expected nothing as onConflict, got ${JSON.stringify(onConflict)}`)
  const settings = {
    maxRows: options.maxRows ?? defaults.maxRows,
    maxDelayMs: options.maxDelayMs ?? defaults.maxDelayMs,
  }
  for (const [key, least, most] of [
    ['maxRows', 1, 1_000],
    ['maxDelayMs', 0, 4_000],
  ] as const) {
    const value = settings[key]
    if (!Number.isInteger(value) || value < least || value > most)
      throw bad(`expected a whole number from ${least} to ${most} as ${key}, got ${value}`)
  }
  return { ...options, ...settings }
}
