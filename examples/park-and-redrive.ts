// What if a handler can't handle an event? It is set aside, what follows in its channel waits, a person decides. Needs
// DATABASE_URL.
import { createHoldfast, done, park } from '../src/app/index.ts' // in your own project: from 'holdfast'

const hf = await createHoldfast({
  redis: { url: process.env.REDIS_URL },
  postgres: { url: process.env.DATABASE_URL, migrate: true },
  namespaces: { order: { tier: 'durable' } },
  log: { level: 'error' },
})

const name = `order:${crypto.randomUUID()}` as const
const accounts = new Set(['anna'])
hf.group('receipts').on('order:{id}', 'PaymentCaptured', ({ channel, offset, data }) => {
  if (channel !== name) return done()
  const { account } = data as { account: string }
  if (!accounts.has(account)) return park(`no such account: ${account}`)
  console.log(`receipt ${offset} for ${account}`)
  return done()
})
await hf.work()

const { deliveries } = hf.operations
/** What has become of an event, as `holdfast deliveries` would tell. */
const stateOf = async (offset: number) =>
  (await deliveries.ofEvent({ channel: name, offset }))[0]?.consumers.find(
    ({ consumer }) => consumer === 'group/receipts',
  )?.state
async function until(offset: number, ...states: string[]): Promise<void> {
  while (!states.includes((await stateOf(offset)) ?? ''))
    await new Promise(resolve => setTimeout(resolve, 50))
}

for (const account of ['anna', 'ben', 'anna']) await hf.append(name, 'PaymentCaptured', { account })
await until(3, 'waiting')
const parked = await deliveries.list({ channel: name }, { limit: 10 })
for (const { id, offset, reason } of parked.deliveries) {
  const behind = (await deliveries.inspect(id))?.behind.count
  console.log(`${offset} is parked (${reason}), and ${behind} waits behind it`)
}

accounts.add('ben') // the cause is mended
const { changed } = await deliveries.redrive(
  { filter: { channel: name, reason: 'no such' } },
  { actor: 'me' },
)
console.log(`${changed} redriven`)
await until(3, 'settled', 'done')
await hf.close()
