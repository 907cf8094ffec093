// How do I act on events on my server, each once, whatever is killed when? In a consumer group: what a handler writes
// through `tx` is committed together with the group's place in the log, or not at all. Needs DATABASE_URL.
import postgres from 'postgres'
import { createHoldfast, done, retry } from '../src/app/index.ts' // in your own project: from 'holdfast'

const sql = postgres(process.env.DATABASE_URL ?? '', { onnotice: () => {} })
await sql`create table if not exists example_totals (account text primary key, cents int not null)`

const run = crypto.randomUUID().slice(0, 8)
const account = `account:${run}` as const

/** One process that works for the group; start as many as you like, on as many machines. */
async function worker() {
  const hf = await createHoldfast({
    redis: { url: process.env.REDIS_URL },
    postgres: { url: process.env.DATABASE_URL, migrate: true },
    namespaces: { account: { tier: 'durable' } },
    log: { level: 'error' },
  })
  const group = hf.group(`totals-${run}`, { retryMs: { first: 100, most: 10_000 } })
  group.on('account:{id}', 'PaymentCaptured', async ({ channel, offset, data }, { tx, attempt }) => {
    const { cents } = data as { cents: number }
    await tx`
      insert into example_totals as t values (${channel}, ${cents})
      on conflict (account) do update set cents = t.cents + excluded.cents`
    // What was written is taken back, and the event comes again; later ones of this account wait for it.
    if (offset === 2 && attempt === 1) return retry(100, 'the bank is closed')
    console.log(`payment ${offset}, attempt ${attempt}`)
    return done()
  })
  await hf.work()
  return hf
}

async function total(expected: number): Promise<number> {
  for (;;) {
    const [row] = await sql<{ cents: number }[]>`select cents from example_totals where account = ${account}`
    if (row?.cents === expected) return row.cents
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

const first = await worker()
for (const cents of [100, 200, 300]) await first.append(account, 'PaymentCaptured', { cents })
console.log(`${await total(600)} cents`)
await first.append(account, 'PaymentCaptured', { cents: 400 })
await first.close() // whether it has handled the last one, or not

const second = await worker()
console.log(`${await total(1_000)} cents`)
await second.close()
await sql.end()
