// How does a rule hold although many change the same thing at once? By commands: the server decides each in the state that
// the channel's events make, records all that follows or nothing, and answers a repetition with what the first did.
import { z } from 'zod'
import { createHoldfast, defineAggregate, HoldfastError } from '../src/app/index.ts' // in your own project: from 'holdfast'
import { createClient } from '../src/client/index.ts' // from '@holdfast/client'
import { given } from '../src/testing/index.ts' // from 'holdfast/testing'

type OrderEvent = { type: 'Placed' | 'Captured'; data: { cents: number } }
const order = defineAggregate({
  pattern: 'order:{user}:{id}',
  initial: { cents: 0, captured: 0 },
  evolve: (state: { cents: number; captured: number }, { type, data: { cents } }: OrderEvent) =>
    type === 'Placed' ? { ...state, cents } : { ...state, captured: state.captured + cents },
  commands: {
    place: {
      schema: z.object({ cents: z.int().positive() }),
      decide: (state, { cents }) => (state.cents > 0 ? [] : { type: 'Placed', data: { cents } }),
    },
    capture: {
      schema: z.object({ parts: z.array(z.int().positive()).min(1) }),
      authorize: ({ user, params }) => user === params.user,
      decide({ cents, captured }, { parts }) {
        const left = cents - captured - parts.reduce((sum, part) => sum + part)
        if (left < 0) throw new HoldfastError('REQUEST_INVALID', `${-left} cents too much`)
        return parts.map(part => ({ type: 'Captured', data: { cents: part } }))
      },
    },
  },
})
const tried = given(order).when('capture', { parts: [6] })
tried.thenRefused('REQUEST_INVALID', '6 cents too much')

const hf = await createHoldfast({
  http: { host: '127.0.0.1', port: Number(process.env.PORT ?? 8000) },
  redis: { url: process.env.REDIS_URL },
  postgres: { url: process.env.DATABASE_URL, migrate: true },
  namespaces: { order: { tier: 'durable' } }, // clients append nothing by hand
  log: { level: 'error' },
})
hf.authenticate(async ({ data }) => ({ user: String(data) }))
const orders = hf.aggregate(order)
const { port } = await hf.listen()
const channel = `order:anna:${crypto.randomUUID()}` as const
await orders.command(channel, 'place', { cents: 4200 })

const client = createClient(`ws://127.0.0.1:${port}/connection/websocket`, { data: 'anna' })
client.connect()
const id = crypto.randomUUID()
for (const parts of [
  [3000, 1000],
  [3000, 1000],
]) {
  const { events, duplicate } = await client.channel(channel).command('capture', { parts }, { id })
  console.log(events.map(({ offset, type }) => `${offset} ${type}`).join(', '), duplicate ? 'again' : '')
}
await orders.command(channel, 'capture', { parts: [201] }).catch(error => console.log(error.message))
console.log((await orders.load(channel)).state)
client.disconnect()
await hf.close()
