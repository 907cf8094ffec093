/**
 * How much the ledger's promises cost: rows per second of `holdfast.append`, on both of its paths, beside one INSERT
 * per event and a bare UNNEST into a table with the same columns and indexes, in turns, in the same run.
 * Run: node bench/ledger.ts [postgres url]; without a url it starts a Postgres of its own, with fsync.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startLocalPostgres } from '../src/cli/services/local-postgres.ts'
import type { StoredEvent } from '../src/domain/index.ts'
import { newEventId } from '../src/domain/index.ts'
import { migrate } from '../src/durable/index.ts'
import { appendBatch } from '../src/durable/ledger/append-batch.ts'
import { intArray, textArray } from '../src/durable/ledger/array-literal.ts'
import { type Entry, entryOf } from '../src/durable/ledger/entry.ts'
import { KnownHeads } from '../src/durable/ledger/known-heads.ts'
import { connectPostgres, type Sql } from '../src/platform/index.ts'

interface Shape {
  readonly rows: number
  readonly channels: number
}

const shapes: readonly Shape[] = [
  { rows: 1, channels: 200 },
  { rows: 10, channels: 200 },
  { rows: 100, channels: 200 },
  { rows: 500, channels: 200 },
  { rows: 500, channels: 5 },
  { rows: 500, channels: 100_000 },
]
const rounds = 60
const warmUp = 12
const data = JSON.stringify({ order: 123_456, state: 'paid', note: 'x'.repeat(180), amount: 12.5 })

let sequence = 0
function batchOf({ rows, channels }: Shape): Entry[] {
  return Array.from({ length: rows }, () => {
    const channel = `order:${(sequence++ * 7_919) % channels}`
    const entry = entryOf({ channel, type: 'OrderPaid', data, id: newEventId() }, 64)
    if (typeof entry === 'string') throw new Error(entry)
    return entry
  })
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

function writers(sql: Sql, epoch: string): Record<string, (batch: readonly Entry[]) => Promise<void>> {
  const heads = new KnownHeads()
  const append = async (batch: readonly Entry[], expect: string) => {
    const results = await appendBatch(sql, epoch, batch, heads)
    const wrong = results.find(({ outcome }) => outcome !== expect)
    if (wrong) throw new Error(`expected ${expect}, got ${JSON.stringify(wrong)}`)
    heads.learn(
      batch.map((entry, i): StoredEvent => {
        const { channel, partition, id, type, data, meta } = entry
        const { position, offset = 0, time = 0 } = results[i] ?? {}
        return { channel, partition, id, type, data, meta, position: position ?? 0, offset, time }
      }),
    )
  }
  const numbers = { single: new Numbers(), unnest: new Numbers() }
  return {
    'insert per event': async batch => {
      for (const { partition, channel, id, type, data, meta } of batch) {
        const position = numbers.single.next(`p${partition}`)
        await sql`insert into bench.single values (${partition}, ${position}, ${channel},
          ${numbers.single.next(channel)}, ${id}, ${type}, ${data}, ${meta}, ${Date.now()})`
      }
    },
    'bare UNNEST': async batch => {
      await sql`insert into bench.bare select * from unnest(
        ${intArray(batch, ({ partition }) => partition)}::int[],
        ${intArray(batch, ({ partition }) => numbers.unnest.next(`p${partition}`))}::bigint[],
        ${textArray(batch, ({ channel }) => channel)}::text[],
        ${intArray(batch, ({ channel }) => numbers.unnest.next(channel))}::bigint[],
        ${textArray(batch, ({ id }) => id)}::uuid[],
        ${textArray(batch, ({ type }) => type)}::text[],
        ${textArray(batch, ({ data }) => data)}::text[],
        ${textArray(batch, ({ meta }) => meta)}::text[],
        ${intArray(batch, () => Date.now())}::bigint[])`
    },
    'append, fast path': batch => append(batch, 's'),
    // One event that states an expectation sends the whole batch the careful way.
    'append, careful path': async batch => {
      const [first, ...rest] = batch
      if (!first) return
      await append(
        [{ ...first, channel: `${first.channel}:${newEventId()}`, expectedOffset: 0 }, ...rest],
        's',
      )
    },
    'append, all duplicates': async batch => {
      const ids = await sql<{ id: string; channel: string; type: string; data: string; partition: number }[]>`
        select id, channel, type, data, partition from holdfast.events
        where partition = ${batch[0]?.partition ?? 0} order by position desc limit ${batch.length}`
      if (ids.length < batch.length) return
      const repeated = ids.map(row => ({ ...row, meta: null, expectedOffset: null, bytes: 0 }))
      const started = performance.now()
      const results = await appendBatch(sql, epoch, repeated, heads)
      repeating = performance.now() - started
      if (results.some(({ outcome }) => outcome !== 'd')) throw new Error('expected duplicates')
    },
  }
}

/** Of the last batch of duplicates: reading what to repeat is not part of it. */
let repeating: number | undefined

async function measure(sql: Sql, epoch: string, shape: Shape): Promise<void> {
  await sql.unsafe(`
    drop schema if exists bench cascade; create schema bench;
    create table bench.single (like holdfast.events including all);
    create table bench.bare (like holdfast.events including all)`)
  const times = new Map<string, number[]>()
  const kinds = Object.entries(writers(sql, epoch))
  for (let round = 0; round < rounds; round++) {
    for (const [name, write] of kinds) {
      if (name === 'insert per event' && round > warmUp + 10) continue
      const batch = batchOf(shape)
      repeating = undefined
      const started = performance.now()
      await write(batch)
      const took = repeating ?? performance.now() - started
      if (round >= warmUp) times.set(name, [...(times.get(name) ?? []), took])
    }
  }
  const bare = median(times.get('bare UNNEST') ?? [])
  console.log(`\n${shape.rows} rows a batch over ${shape.channels} channels`)
  for (const [name, list] of times) {
    const took = median(list)
    const rate = Math.round((shape.rows / took) * 1_000).toLocaleString('en')
    console.log(
      `  ${name.padEnd(24)}${took.toFixed(2).padStart(9)} ms ${rate.padStart(9)} rows/s ${(bare / took).toFixed(2).padStart(7)} of bare UNNEST`,
    )
  }
}

function median(list: readonly number[]): number {
  return [...list].sort((a, b) => a - b)[list.length >> 1] ?? Number.NaN
}

async function withDatabase(work: (url: string) => Promise<void>): Promise<void> {
  const given = process.argv[2]
  if (given !== undefined) return work(given)
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
  const postgres = await startLocalPostgres({ directory: join(directory, 'data') })
  try {
    await work(postgres.url)
  } finally {
    await postgres.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

await withDatabase(async url => {
  await migrate(url)
  const sql = connectPostgres(url, { max: 1, applicationName: 'holdfast-bench', statementTimeoutMs: 60_000 })
  const [ledger] = await sql<{ epoch: string }[]>`select epoch from holdfast.ledger`
  for (const shape of shapes) await measure(sql, ledger?.epoch ?? '', shape)
  await sql.end()
})
