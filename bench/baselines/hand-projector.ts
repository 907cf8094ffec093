// The process of a read model that is filled by hand: pages of the ledger, folded and written with a checkpoint.
import postgres from 'postgres'
import { answer } from '../stage/remote.ts'

interface EventRow {
  readonly channel: string
  readonly position: number
  readonly data: string
}

interface Totals {
  orders: number
  amount: number
}

const pageSize = 500
const atOnce = 4

/** Seconds until everything up to the present heads is in the table. One process, nobody takes over, nothing is parked. */
async function fill({
  databaseUrl,
  partitions,
}: {
  databaseUrl: string
  partitions: number
}): Promise<number> {
  const sql = postgres(databaseUrl, {
    max: atOnce,
    connection: { synchronous_commit: 'on' },
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    onnotice: () => undefined,
  })
  await sql`drop schema if exists bench_hand cascade`
  await sql`create schema bench_hand`
  await sql`create table bench_hand.totals (key text primary key, state jsonb not null)`
  await sql`create table bench_hand.checkpoints (partition int primary key, position bigint not null)`
  const startedAt = performance.now()
  const left = Array.from({ length: partitions }, (_, partition) => partition)
  const worker = async () => {
    for (let partition = left.pop(); partition !== undefined; partition = left.pop())
      await fillPartition(sql, partition)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  const seconds = (performance.now() - startedAt) / 1_000
  await sql.end()
  return seconds
}

async function fillPartition(sql: postgres.Sql, partition: number): Promise<void> {
  const [head] = await sql<{ head: number }[]>`select holdfast.partition_head(${partition}) as head`
  let position = 0
  while (position < (head?.head ?? 0)) {
    const page = await sql<EventRow[]>`
      select channel, position, data from holdfast.events
      where partition = ${partition} and position > ${position} order by position limit ${pageSize}`
    const last = page.at(-1)
    if (!last) return
    await sql.begin(async tx => {
      const keys = [...new Set(page.map(({ channel }) => channel))]
      const rows = await tx<{ key: string; state: Totals }[]>`
        select key, state from bench_hand.totals where key = any(${keys})`
      const states = new Map(rows.map(({ key, state }) => [key, state]))
      for (const { channel, data } of page) {
        const state = states.get(channel) ?? { orders: 0, amount: 0 }
        state.orders += 1
        state.amount += (JSON.parse(data) as { amount: number }).amount
        states.set(channel, state)
      }
      const written = JSON.stringify([...states].map(([key, state]) => ({ key, state })))
      await tx`
        insert into bench_hand.totals
        select key, state from jsonb_to_recordset(${written}::text::jsonb) as r (key text, state jsonb)
        on conflict (key) do update set state = excluded.state`
      await tx`
        insert into bench_hand.checkpoints values (${partition}, ${last.position})
        on conflict (partition) do update set position = excluded.position`
    })
    position = last.position
  }
}

const handlers = { fill }
export type HandProjectorHandlers = typeof handlers
answer(handlers)
