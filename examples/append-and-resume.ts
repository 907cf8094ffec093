// How do I record facts, and go on where I left off? Needs DATABASE_URL; with REDIS_URL replays come from memory.
import { createHoldfast } from '../src/app/index.ts' // in your own project: from 'holdfast'
import { createClient, type Place } from '../src/client/index.ts' // in your own project: from '@holdfast/client'

const hf = await createHoldfast({
  http: { host: '127.0.0.1', port: Number(process.env.PORT ?? 0) },
  redis: { url: process.env.REDIS_URL },
  postgres: { url: process.env.DATABASE_URL, migrate: true },
  namespaces: {
    order: { tier: 'durable', allow: { subscribe: ['client'], append: ['client'], history: ['client'] } },
  },
  log: { level: 'warn' },
})
hf.authenticate(({ token }) => ({ user: token }))
const { port } = await hf.listen()
const name = `order:${crypto.randomUUID()}` as const

const shop = createClient(`ws://127.0.0.1:${port}`, { token: 'shop' })
await shop.connect()
const order = shop.channel(name)
// Resolves when it is in Postgres. Until then it is repeated under one id, over lost connections and dead nodes.
await order.append('OrderPlaced', { lines: 2 })
// Only if nothing else has happened to the order since.
await order.append('PaymentCaptured', { cents: 4200 }, { expectedOffset: 1 })

/** Reads until `head`, and returns the place to keep: save it together with what the events have changed. */
async function read(since: Place | 'start', head: number): Promise<Place | undefined> {
  const reader = createClient(`ws://127.0.0.1:${port}`, { token: 'reader' })
  await reader.connect()
  const done = Promise.withResolvers<Place | undefined>()
  reader.channel(name).subscribe({
    since,
    onEvent: event => {
      console.log(event.offset, event.type, event.data)
      if (event.offset === head) done.resolve(event.position)
    },
  })
  return done.promise.finally(() => reader.disconnect())
}

const place = await read('start', 2)
await order.append('OrderShipped', { parcel: 'X1' }) // nobody is reading
if (place) await read(place, 3)

shop.disconnect()
await hf.close()
