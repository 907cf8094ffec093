// How does a WebRTC offer reach one peer, and nobody else in the room?
import { createHoldfast } from '../src/app/index.ts' // in your own project: from 'holdfast'
import { createClient } from '../src/client/index.ts' // in your own project: from '@holdfast/client'

const everyone = ['client'] as const
const hf = await createHoldfast({
  http: { host: '127.0.0.1', port: Number(process.env.PORT ?? 0) },
  redis: { url: process.env.REDIS_URL },
  namespaces: {
    call: {
      tier: 'realtime',
      presence: true,
      allow: { subscribe: [...everyone], publish: [...everyone], presence: [...everyone] },
    },
  },
  log: { level: 'warn' },
})
hf.authenticate(({ token }) => ({ user: token }))
const { port } = await hf.listen()

async function join(user: string) {
  const client = createClient(`ws://127.0.0.1:${port}`, { token: user })
  await client.connect()
  const call = client.channel('call:7')
  const done = Promise.withResolvers<void>()
  const subscription = call.subscribe(async ({ type, info }) => {
    console.log(`${user} gets an ${type} from ${info?.user}`)
    // `info.client` is the very connection that the offer came from.
    const to = info && { client: info.client }
    if (type === 'offer' && to) await call.signal('answer', { sdp: '…' }, { to })
    done.resolve()
  })
  await subscription.ready()
  return { client, call, done: done.promise }
}

const [anna, ben, cleo] = await Promise.all([join('anna'), join('ben'), join('cleo')])
const present = await anna.call.presence()
const peer = Object.values(present).find(({ user }) => user === 'ben')
if (peer) await anna.call.signal('offer', { sdp: '…' }, { to: { client: peer.client } })
await Promise.all([anna.done, ben.done]) // cleo has seen nothing

for (const { client } of [anna, ben, cleo]) client.disconnect()
await hf.close()
