// Moves messages from the Redis list to Postgres, up to a hundred at a time, and announces what is stored. What
// Postgres does not take now it tries again, for as long as it lives.
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import postgres from 'postgres'

const { redisUrl, databaseUrl } = JSON.parse(process.argv[2] ?? '{}') as {
  redisUrl: string
  databaseUrl: string
}

const popper = new Redis(redisUrl)
const publisher = new Redis(redisUrl)
for (const each of [popper, publisher]) each.on('error', () => undefined)
const sql = postgres(databaseUrl, { max: 2, onnotice: () => undefined })
let running = true
process.once('SIGTERM', () => {
  running = false
})

console.log('ready')
while (running) {
  try {
    const popped = await popper.blmpop(1, 1, 'messages', 'RIGHT', 'COUNT', 100)
    if (popped) await store((popped[1] as string[]).map(text => JSON.parse(text)))
  } catch {
    await delay(100)
  }
}
process.exit(0)

async function store(messages: readonly { channel: string; value: string }[]): Promise<void> {
  const channels = messages.map(({ channel }) => channel)
  const values = messages.map(({ value }) => value)
  for (;;) {
    try {
      const rows = await sql`
        insert into messages (channel, value)
        select * from unnest(${channels}::text[], ${values}::text[])
        returning id::int as "offset", channel, value`
      for (const row of rows) publisher.publish(row['channel'], JSON.stringify(row)).catch(() => undefined)
      return
    } catch {
      await delay(100)
    }
  }
}
