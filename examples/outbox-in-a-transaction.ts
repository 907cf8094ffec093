// How do I record an event in the transaction that changes my own tables? Needs DATABASE_URL.
import postgres from 'postgres'
import { createHoldfast } from '../src/app/index.ts' // in your own project: from 'holdfast'
import { createClient } from '../src/client/index.ts' // in your own project: from '@holdfast/client'

const hf = await createHoldfast({
  http: { host: '127.0.0.1', port: Number(process.env.PORT ?? 0) },
  redis: { url: process.env.REDIS_URL },
  postgres: { url: process.env.DATABASE_URL, migrate: true },
  namespaces: { order: { tier: 'durable', allow: { subscribe: ['client'], history: ['client'] } } },
  log: { level: 'warn' },
})
hf.authenticate(({ token }) => ({ user: token }))
// From now on this node relays what is committed to the outbox. Any node or worker of the database does.
const { port } = await hf.listen()

// The application may be another program, in another language: it needs a driver and the role holdfast_publisher.
const sql = postgres(process.env.DATABASE_URL ?? '', { onnotice: () => undefined })
await sql`create table if not exists example_orders (id uuid primary key, cents int not null check (cents > 0))`
const channel = `order:${crypto.randomUUID()}`

async function place(cents: number): Promise<void> {
  const id = crypto.randomUUID()
  await sql.begin(async tx => {
    await tx`select holdfast_publish(${channel}, 'OrderPlaced', ${JSON.stringify({ cents })})`
    await tx`insert into example_orders (id, cents) values (${id}, ${cents})`
  })
}

await place(4200)
await place(0).catch(error => console.log('not placed:', error.constraint_name)) // the event is rolled back with the order
await place(990)

const reader = createClient(`ws://127.0.0.1:${port}`, { token: 'reader' })
await reader.connect()
const done = Promise.withResolvers<void>()
reader.channel(channel).subscribe({
  since: 'start',
  onEvent: event => {
    console.log(event.offset, event.type, event.data)
    if (event.offset === 2) done.resolve()
  },
})
await done.promise

await sql`drop table example_orders`
await sql.end()
reader.disconnect()
await hf.close()
