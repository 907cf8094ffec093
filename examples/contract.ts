// How do server and client share types, without generating code? Needs DATABASE_URL.
import { z } from 'zod'
import { createHoldfast, defineContract } from '../src/app/index.ts' // in your own project: from 'holdfast'
import { codes, createClient, HoldfastClientError } from '../src/client/index.ts' // from '@holdfast/client'

// In a module of its own; a front end takes `import type { contract }` and loads nothing of it.
const contract = defineContract({
  'order:{id}': {
    OrderPlaced: z.object({ lines: z.array(z.object({ sku: z.string(), count: z.int() })) }),
    PaymentCaptured: z.object({ cents: z.int() }),
  },
  'room:{room}': z.object({ typing: z.boolean() }),
})

const hf = await createHoldfast({
  contract,
  http: { host: '127.0.0.1', port: Number(process.env.PORT ?? 0) },
  redis: { url: process.env.REDIS_URL },
  postgres: { url: process.env.DATABASE_URL, migrate: true },
  namespaces: { order: { tier: 'durable' }, room: { tier: 'realtime' } },
  log: { level: 'warn' },
})
hf.authenticate(({ token }) => ({ user: token }))
hf.authorize('order:{id}', ({ params, user }) => user === 'shop' || params.id === 'public') // params.id is known
const { port } = await hf.listen()

const client = createClient<typeof contract>(`ws://127.0.0.1:${port}`, { token: 'shop' })
await client.connect()
const order = client.channel(`order:${crypto.randomUUID()}`)
await order.append('OrderPlaced', { lines: [{ sku: 'chair', count: 4 }] })
await hf.append(order.name, 'PaymentCaptured', { cents: 16_800 }) // the server's own hand, as typed

try {
  // @ts-expect-error what the compiler refuses here, the server refuses for everyone else
  await order.append('PaymentCaptured', { cents: 'many' })
} catch (error) {
  if (!(error instanceof HoldfastClientError) || error.code !== codes.badRequest) throw error
  console.log(error.message)
}

await new Promise<void>(resolve => {
  order.subscribe({
    since: 'start',
    onEvent: event => {
      if (event.type === 'OrderPlaced') console.log(event.data.lines.length, 'line')
      if (event.type === 'PaymentCaptured') resolve(console.log(event.data.cents, 'cents'))
    },
  })
})
client.disconnect()
await hf.close()
