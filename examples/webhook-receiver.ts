// How do I send events to another server, and what must that one do? Needs DATABASE_URL and REDIS_URL.
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import { createHoldfast } from '../src/app/index.ts' // in your own project: from 'holdfast'

const secret = `whsec_${randomBytes(32).toString('base64')}` // "holdfast webhooks secret" makes one
const verifier = new Webhook(secret)
const taken = new Set<string>() // in earnest: a table, written in the transaction of what the event changes
const end = Promise.withResolvers<void>()

/** The status to answer with. */
async function receive(request: IncomingMessage): Promise<number> {
  const body = await text(request) // before anything parses it: what is signed are these bytes
  try {
    verifier.verify(body, request.headers as Record<string, string>)
  } catch {
    return 401
  }
  const id = String(request.headers['webhook-id'])
  if (taken.has(id)) {
    console.log('it comes again, and was taken already')
    end.resolve()
    return 204
  }
  const { type, subject, data } = JSON.parse(body)
  console.log(type, subject, data)
  taken.add(id)
  return 500 // has taken it, and fails to say so
}

const receiver = createServer((request, response) => {
  receive(request).then(status => response.writeHead(status).end())
}).listen(0, '127.0.0.1')
await new Promise(resolve => receiver.once('listening', resolve))
const { port } = receiver.address() as AddressInfo

const hf = await createHoldfast({
  http: { host: '127.0.0.1', port: Number(process.env.PORT ?? 0) },
  redis: { url: process.env.REDIS_URL },
  postgres: { url: process.env.DATABASE_URL, migrate: true },
  namespaces: { order: { tier: 'durable' } },
  log: { level: 'warn' },
})
hf.rule('shop', {
  on: { channel: 'order:{id}', type: 'OrderPlaced' },
  // Private addresses are refused, unless it is said: this one is the machine itself.
  webhook: { url: `http://127.0.0.1:${port}/hooks`, secrets: [secret], allowPrivate: true },
  backoffMs: { first: 100, most: 1_000 },
})
await hf.work() // from here on the rule applies; `listen` does it too
await hf.append('order:7', 'OrderPlaced', { lines: 2 })

await end.promise
await hf.close()
receiver.close()
