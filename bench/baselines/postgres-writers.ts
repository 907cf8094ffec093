// The process of the usual ways to write events into Postgres, without any server before them.
import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import { answer } from '../stage/remote.ts'
import { insertMany, insertOne, RowSource } from './event-rows.ts'
import { ListBuffer } from './list-buffer.ts'

let sql: postgres.Sql
let writers = 0

/** Makes the table with the columns and indexes of the ledger's. */
async function prepare({ databaseUrl }: { databaseUrl: string }): Promise<void> {
  sql = postgres(databaseUrl, {
    max: 16,
    connection: { synchronous_commit: 'on' },
    onnotice: () => undefined,
  })
  await sql`drop schema if exists bench cascade`
  await sql`create schema bench`
  await sql`create table bench.events (like holdfast.events including all)`
  // One connection each for the floods is opened now, not while they are measured.
  await Promise.all(Array.from({ length: 16 }, () => sql`select pg_sleep(0.05)`))
}

let alone: RowSource | undefined

async function insertAlone({ samples }: { samples: number }): Promise<number[]> {
  alone ??= new RowSource(++writers)
  const took: number[] = []
  for (let i = 0; i < samples; i++) {
    const startedAt = performance.now()
    await insertOne(sql, alone.next())
    took.push(performance.now() - startedAt)
  }
  return took
}

/** Rows per second where each connection sends its next INSERT when the last one has been committed. */
async function insertFlood({
  seconds,
  connections,
}: {
  seconds: number
  connections: number
}): Promise<number> {
  return rate(seconds, connections, async source => {
    await insertOne(sql, source.next())
    return 1
  })
}

async function unnestFlood(options: {
  seconds: number
  connections: number
  batch: number
}): Promise<number> {
  return rate(options.seconds, options.connections, async source => {
    await insertMany(sql, source.take(options.batch))
    return options.batch
  })
}

async function rate(
  seconds: number,
  connections: number,
  write: (source: RowSource) => Promise<number>,
): Promise<number> {
  const startedAt = performance.now()
  const until = startedAt + seconds * 1000
  let rows = 0
  const writer = async () => {
    const source = new RowSource(++writers)
    while (performance.now() < until) rows += await write(source)
  }
  await Promise.all(Array.from({ length: connections }, writer))
  return (rows * 1000) / (performance.now() - startedAt)
}

const acceptAtOnce = 64
const longestBacklog = 5_000

/** Committed rows per second behind the list, and how long a lone event takes from acceptance to its commit. */
async function listBuffer(options: { redisUrl: string; seconds: number; lone: number }) {
  const buffer = new ListBuffer(options.redisUrl, sql)
  const source = new RowSource(++writers)
  const loneMs: number[] = []
  for (let i = 0; i < options.lone; i++) {
    const committed = Promise.withResolvers<void>()
    buffer.onCommitted = () => committed.resolve()
    await delay((i * 97) % 500)
    const startedAt = performance.now()
    await buffer.accept([source.next()])
    await committed.promise
    loneMs.push(performance.now() - startedAt)
  }
  let committed = 0
  buffer.onCommitted = rows => {
    committed += rows.length
  }
  const startedAt = performance.now()
  while (performance.now() - startedAt < options.seconds * 1000) {
    if (buffer.waiting > longestBacklog) await delay(1)
    else await buffer.accept(source.take(acceptAtOnce))
  }
  const perSecond = (committed * 1000) / (performance.now() - startedAt)
  await buffer.close()
  return { perSecond, loneMs }
}

const handlers = { prepare, insertAlone, insertFlood, unnestFlood, listBuffer }
export type PostgresWriterHandlers = typeof handlers
answer(handlers)
