// The process of the usual ways from events in Redis to rows in a table: one INSERT per event, and a list, LMPOP and a timer.
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import postgres from 'postgres'
import { eventData } from '../load/event-data.ts'
import { inGroups } from '../load/groups.ts'
import { answer } from '../stage/remote.ts'

export type NaiveWay = 'insert' | 'list'

interface Reading {
  readonly id: string
  readonly channel: string
  readonly n: number
  readonly data: string
  readonly at: number
}

const key = 'bench:readings'
/** What people write: so many at a time, or what has come within so long. */
const flush = { rows: 500, ms: 100 }
let sql: postgres.Sql
let redis: Redis

async function open({ databaseUrl, redisUrl }: { databaseUrl: string; redisUrl: string }): Promise<void> {
  sql = postgres(databaseUrl, { max: 16, connection: { synchronous_commit: 'on' }, fetch_types: false })
  redis = new Redis(redisUrl)
  await redis.ping()
}

async function fill({ count, channels }: { count: number; channels: number }): Promise<void> {
  await inGroups(Math.ceil(count / flush.rows), 4, async group => {
    const many = Math.min(flush.rows, count - group * flush.rows)
    const rows = Array.from({ length: many }, (_, i): Reading => {
      const n = group * flush.rows + i
      return { id: randomUUID(), channel: `facts:${n % channels}`, n, data: eventData(n), at: Date.now() }
    })
    await redis.rpush(key, ...rows.map(row => JSON.stringify(row)))
  })
}

/** Takes rows from the list and writes them, with so many writers at a time; returns rows per second. */
async function drain(options: { way: NaiveWay; count: number; writers: number }): Promise<number> {
  const { way, count, writers } = options
  let rows = 0
  const startedAt = performance.now()
  const writer = async () => {
    // Another's pop would stand before one's own on a connection that is shared.
    const own = redis.duplicate()
    while (rows < count) {
      const written = way === 'insert' ? await one(own) : await some(own)
      rows += written
      if (written === 0 || (way === 'list' && written < flush.rows)) await delay(flush.ms)
    }
    own.disconnect()
  }
  await Promise.all(Array.from({ length: writers }, writer))
  return (rows * 1_000) / (performance.now() - startedAt)
}

async function one(own: Redis): Promise<number> {
  const text = await own.lpop(key)
  if (!text) return 0
  const { id, channel, n, data, at } = JSON.parse(text) as Reading
  await sql`insert into bench.readings values (${id}, ${channel}, ${n}, ${data}, ${at})`
  return 1
}

async function some(own: Redis): Promise<number> {
  const popped = await own.lmpop(1, key, 'LEFT', 'COUNT', flush.rows)
  if (!popped) return 0
  const rows = (popped[1] as string[]).map(text => JSON.parse(text) as Reading)
  await sql`
    insert into bench.readings select * from unnest(
      ${literal(rows, row => row.id)}::uuid[], ${literal(rows, row => row.channel)}::text[],
      ${literal(rows, row => row.n)}::bigint[], ${literal(rows, row => row.data)}::text[],
      ${literal(rows, row => row.at)}::bigint[])`
  return rows.length
}

function literal(rows: readonly Reading[], of: (row: Reading) => string | number): string {
  return `{${rows.map(row => `"${String(of(row)).replace(/["\\]/g, '\\$&')}"`).join(',')}}`
}

const handlers = { open, fill, drain }
export type NaiveSinkHandlers = typeof handlers
answer(handlers)
