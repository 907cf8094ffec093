// How does Holdfast live beside the HTTP server that I already have?
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createHoldfast } from '../src/app/index.ts' // in your own project: from 'holdfast'
import { createClient } from '../src/client/index.ts' // in your own project: from '@holdfast/client'

// Works the same with the server of Express, Fastify, Koa, Next …
const server = createServer((request, response) => {
  response.end(`my own answer to ${request.url}`)
})

const hf = await createHoldfast({
  redis: { url: process.env.REDIS_URL },
  namespaces: { news: { tier: 'realtime', allow: { subscribe: ['client'] } } },
  log: { level: 'warn' },
})
// The cookie of the session that your application has made.
hf.authenticate(({ cookies, headers }) => ({ user: cookies.session ?? headers['x-session'] ?? 'guest' }))
// Clients may not publish here: the server does.
hf.rpc('quote', ({ user, data }) => ({ for: user, of: data, cents: 4200 }))
hf.attach(server)
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1')
await new Promise(resolve => server.once('listening', resolve))
const { port } = server.address() as AddressInfo

console.log(await (await fetch(`http://127.0.0.1:${port}/about`)).text())

const client = createClient(`http://127.0.0.1:${port}`, { headers: { 'x-session': 'anna' } })
await client.connect()
console.log(await client.rpc('quote', { sku: 'chair' }))
const news = new Promise(resolve => {
  client.channel('news:all').subscribe({
    onSubscribed: () => hf.publish('news:all', { headline: 'from the server' }),
    onEvent: event => resolve(event.data),
  })
})
console.log(await news)

client.disconnect()
await hf.close()
server.close()
