// How does a user go on at another device where the first one stopped? Needs DATABASE_URL.
import { createHoldfast } from '../src/app/index.ts' // in your own project: from 'holdfast'
import { createClient } from '../src/client/index.ts' // in your own project: from '@holdfast/client'

const hf = await createHoldfast({
  http: { host: '127.0.0.1', port: Number(process.env.PORT ?? 0) },
  redis: { url: process.env.REDIS_URL },
  postgres: { url: process.env.DATABASE_URL, migrate: true },
  namespaces: { inbox: { tier: 'durable', allow: { subscribe: ['client'] } } },
  log: { level: 'warn' },
})
hf.authenticate(({ token }) => ({ user: token }))
const { port } = await hf.listen()
const name = `inbox:${crypto.randomUUID()}` as const
for (const text of ['hello', 'are you there?', 'call me']) await hf.append(name, 'Said', { text })

async function device() {
  const client = createClient(`ws://127.0.0.1:${port}`, { token: 'anna' })
  await client.connect()
  return client
}

// The phone shows everything, and anna reads two of the messages: what she has read is acknowledged by hand.
const phone = await device()
const read = phone.channel(name).cursor('read')
await new Promise<void>(resolve => {
  phone.channel(name).subscribe({
    cursor: 'read', // the user's own, under a name of our choice; one that never was begins at the start
    ack: 'manual',
    onEvent: event => {
      console.log('phone', event.offset, event.data)
      if (event.offset === 2) event.ack() // up to here, and everything before it
      if (event.offset === 3) resolve()
    },
  })
})
await read.flush() // kept in Postgres now; without this it is sent within a tenth of a second
phone.disconnect()

// A week later, on the laptop: what was never acknowledged comes again, then everything new.
await hf.append(name, 'Said', { text: 'never mind' })
const laptop = await device()
const { lag } = await laptop.channel(name).cursor('read').position()
console.log(lag, 'unread')
await new Promise<void>(resolve => {
  laptop.channel(name).subscribe({
    cursor: 'read', // with `ack: 'auto'`, the default, an event is acknowledged when its handler has ended
    onEvent: event => {
      console.log('laptop', event.offset, event.data)
      if (event.offset === 4) resolve()
    },
  })
})
await laptop.channel(name).cursor('read').flush()
laptop.disconnect()
await hf.close()
