import type { StoredEvent } from '../../src/domain/index.ts'
import { newEventId } from '../../src/domain/index.ts'
import { appendBatch, type BatchPlace } from '../../src/durable/ledger/append-batch.ts'
import { intArray, textArray } from '../../src/durable/ledger/array-literal.ts'
import { type Entry, entryOf } from '../../src/durable/ledger/entry.ts'
import { KnownHeads } from '../../src/durable/ledger/known-heads.ts'
import { readFacts } from '../../src/durable/ledger/start-check.ts'
import type { Sql } from '../../src/platform/index.ts'

export interface Shape {
  /** Rows of a batch. */
  readonly rows: number
  readonly channels: number
}

/** Writes a batch; returns the milliseconds it took. */
export type Writer = (batch: readonly Entry[]) => Promise<number>

const partitions = 64
const data = JSON.stringify({ order: 123_456, state: 'paid', note: 'x'.repeat(180), amount: 12.5 })

/** Batches of events that nobody else makes, over channels in turn. */
export class Batches {
  #last = 0

  next({ rows, channels }: Shape): Entry[] {
    return Array.from({ length: rows }, () => {
      const channel = `order:${(this.#last++ * 7_919) % channels}`
      const entry = entryOf({ channel, type: 'OrderPaid', data, id: newEventId() }, partitions)
      if (typeof entry === 'string') throw new Error(entry)
      return entry
    })
  }
}

/** Numbers that a bare insert needs too, given by the client as if it alone wrote. */
class Numbers {
  readonly #last = new Map<string, number>()
  next(name: string): number {
    const next = (this.#last.get(name) ?? 0) + 1
    this.#last.set(name, next)
    return next
  }
}

export type WriterName = 'insert' | 'unnest' | 'fast' | 'careful' | 'duplicates'

/** `holdfast.append` on its ways, and what stands beside it, on one connection and with fresh tables. */
export async function ledgerWriters(sql: Sql, epoch: string): Promise<Record<WriterName, Writer>> {
  const { server } = await readFacts(sql)
  const place = { epoch, server, allowUnsafeFsync: true }
  await sql.unsafe(`
    drop schema if exists bench cascade; create schema bench;
    create table bench.single (like holdfast.events including all);
    create table bench.bare (like holdfast.events including all)`)
  const heads = new KnownHeads()
  const single = new Numbers()
  const bare = new Numbers()
  return {
    insert: timed(async batch => {
      for (const { partition, channel, id, type, data, meta } of batch) {
        await sql`insert into bench.single values (${partition}, ${single.next(`p${partition}`)}, ${channel},
          ${single.next(channel)}, ${id}, ${type}, ${data}, ${meta}, ${Date.now()})`
      }
    }),
    unnest: timed(async batch => {
      await sql`insert into bench.bare select * from unnest(
        ${intArray(batch, ({ partition }) => partition)}::int[],
        ${intArray(batch, ({ partition }) => bare.next(`p${partition}`))}::bigint[],
        ${textArray(batch, ({ channel }) => channel)}::text[],
        ${intArray(batch, ({ channel }) => bare.next(channel))}::bigint[],
        ${textArray(batch, ({ id }) => id)}::uuid[],
        ${textArray(batch, ({ type }) => type)}::text[],
        ${textArray(batch, ({ data }) => data)}::text[],
        ${textArray(batch, ({ meta }) => meta)}::text[],
        ${intArray(batch, () => Date.now())}::bigint[])`
    }),
    fast: timed(batch => append(sql, place, heads, batch)),
    // One event that states an expectation sends the whole batch the careful way.
    careful: timed(async ([first, ...rest]) => {
      if (!first) return
      const expecting = { ...first, channel: `${first.channel}:${newEventId()}`, expectedOffset: 0 }
      await append(sql, place, heads, [expecting, ...rest])
    }),
    duplicates: batch => repeat(sql, place, heads, batch),
  }
}

function timed(write: (batch: readonly Entry[]) => Promise<void>): Writer {
  return async batch => {
    const startedAt = performance.now()
    await write(batch)
    return performance.now() - startedAt
  }
}

async function append(
  sql: Sql,
  place: BatchPlace,
  heads: KnownHeads,
  batch: readonly Entry[],
): Promise<void> {
  const results = await record(sql, place, batch, heads)
  const wrong = results.find(({ outcome }) => outcome !== 's')
  if (wrong) throw new Error(`an event was not stored: ${JSON.stringify(wrong)}`)
  heads.learn(
    batch.map((entry, i): StoredEvent => {
      const { channel, partition, id, type, data, meta } = entry
      const { position, offset = 0, time = 0 } = results[i] ?? {}
      return { channel, partition, id, type, data, meta, position: position ?? 0, offset, time }
    }),
  )
}

/** Appends events again that are there; reading which is not part of the time. */
async function repeat(
  sql: Sql,
  place: BatchPlace,
  heads: KnownHeads,
  batch: readonly Entry[],
): Promise<number> {
  const found = await sql<Pick<Entry, 'id' | 'channel' | 'type' | 'data' | 'partition'>[]>`
    select id, channel, type, data, partition from holdfast.events
    where partition = ${batch[0]?.partition ?? 0} order by position desc limit ${batch.length}`
  const repeated = found.map(row => ({ ...row, meta: null, expectedOffset: null, bytes: 0 }))
  const startedAt = performance.now()
  const results = await record(sql, place, repeated, heads)
  if (results.some(({ outcome }) => outcome !== 'd')) throw new Error('expected duplicates')
  return ((performance.now() - startedAt) * batch.length) / Math.max(1, found.length)
}

async function record(sql: Sql, place: BatchPlace, batch: readonly Entry[], heads: KnownHeads) {
  const results = await appendBatch(sql, place, batch, heads)
  if (!results) throw new Error('the server was started again meanwhile')
  return results
}
