// How do I use an official Centrifuge SDK (JavaScript, Swift, Kotlin, Dart, Python, Go, .NET)? Needs DATABASE_URL.
import { Centrifuge } from 'centrifuge'
import { createHoldfast } from '../src/app/index.ts' // in your own project: from 'holdfast'

const hf = await createHoldfast({
  http: { host: '127.0.0.1', port: Number(process.env.PORT ?? 0) },
  redis: { url: process.env.REDIS_URL },
  postgres: { url: process.env.DATABASE_URL, migrate: true },
  namespaces: { chat: { tier: 'durable', allow: { subscribe: ['client'], append: ['client'] } } },
  log: { level: 'warn' },
})
hf.authenticate(({ token }) => ({ user: token }))
const { port } = await hf.listen()
const channel = `chat:${crypto.randomUUID()}`

const sdk = new Centrifuge(`ws://127.0.0.1:${port}/connection/websocket`, { token: 'anna' })
sdk.connect()
await sdk.ready()

// The SDK tries an rpc once. To be sure, repeat it under the same id; `@holdfast/client` does that by itself.
const id = crypto.randomUUID()
const said = { channel, type: 'Said', data: { text: 'hello' }, id }
const first = await sdk.rpc('holdfast.append', said)
const again = await sdk.rpc('holdfast.append', said)
console.log(first.data.offset, first.data.duplicate, again.data.offset, again.data.duplicate)

// From the very first event, then live. A handler must not throw: the SDK would disconnect.
const subscription = sdk.newSubscription(channel, { since: { offset: 0, epoch: '' } })
const received = new Promise(resolve => {
  subscription.on('publication', ({ offset, data, tags }) => resolve([offset, tags?.type, data]))
})
subscription.on('subscribed', ({ wasRecovering, recovered }) => {
  if (wasRecovering && !recovered) console.log('some of the past is missed: load your state anew')
})
subscription.subscribe()
console.log(await received)

sdk.disconnect()
await hf.close()
