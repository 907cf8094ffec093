// How does a message get from one client to another? (Here one process is server and both clients.)
import { createHoldfast } from '../src/app/index.ts' // in your own project: from 'holdfast'
import { createClient } from '../src/client/index.ts' // in your own project: from '@holdfast/client'

const hf = await createHoldfast({
  http: { host: '127.0.0.1', port: Number(process.env.PORT ?? 0) },
  redis: { url: process.env.REDIS_URL }, // several nodes meet in one Redis; one alone needs none
  namespaces: { room: { tier: 'realtime', allow: { subscribe: ['client'], publish: ['client'] } } },
  log: { level: 'warn' },
})
hf.authenticate(({ token }) => ({ user: token })) // look the token up as you do today
const { port } = await hf.listen()

const anna = createClient(`ws://127.0.0.1:${port}`, { token: 'anna' })
const ben = createClient(`ws://127.0.0.1:${port}`, { token: 'ben' })
await Promise.all([anna.connect(), ben.connect()])

const heard = new Promise(resolve => {
  ben.channel('room:42').subscribe({
    onSubscribed: () => anna.channel('room:42').publish({ text: 'hello' }),
    onEvent: event => resolve(`${event.info?.user} says ${JSON.stringify(event.data)}`),
  })
})
console.log(await heard)

anna.disconnect()
ben.disconnect()
await hf.close()
