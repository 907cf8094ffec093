// How do I correct a read model without taking it down? Raise its version: it is built anew from the beginning, beside the one
// that readers see, and takes that one's place when it has caught up. Needs DATABASE_URL.
import { sql } from 'drizzle-orm'
import { integer, text } from 'drizzle-orm/pg-core'
import { createHoldfast, defineProjection } from '../src/app/index.ts' // in your own project: from 'holdfast'

const run = crypto.randomUUID().slice(0, 8)

const income = (version: number, worth: (type: string, cents: number) => number) =>
  defineProjection({
    name: `income_${run}`,
    version,
    channels: 'shop:{shop}',
    tables: schema => ({
      shops: schema.table('shops', { shop: text().primaryKey(), cents: integer().notNull() }),
    }),
    async apply(events, { db, tables: { shops } }) {
      const byShop = Map.groupBy(events, event => event.params.shop)
      const rows = [...byShop].sort().map(([shop, own]) => ({
        shop,
        cents: own.reduce((sum, { type, data }) => sum + worth(type, (data as { cents: number }).cents), 0),
      }))
      const set = { cents: sql`${shops.cents} + excluded.cents` }
      await db.insert(shops).values(rows).onConflictDoUpdate({ target: shops.shop, set })
    },
  })

/** A process of the application; start as many as you like. Those of two releases may run beside each other. */
async function start(definition: ReturnType<typeof income>) {
  const hf = await createHoldfast({
    redis: { url: process.env.REDIS_URL },
    postgres: { url: process.env.DATABASE_URL, migrate: true },
    namespaces: { shop: { tier: 'durable' } },
    log: { level: 'error' },
  })
  const projection = hf.projection(definition)
  await hf.work()
  // Waits until the read model has the event, so that who has just written reads what it has written.
  const cents = async (atLeast: { channel: string; offset: number }) =>
    projection.read((db, { shops }) => db.select().from(shops).where(sql`shop = ${run}`), { atLeast })
  return { hf, cents, status: projection.status }
}

const channel = `shop:${run}`
const old = await start(income(1, (_, cents) => cents))
await old.hf.append(channel, 'Sold', { cents: 900 })
const refund = await old.hf.append(channel, 'Refunded', { cents: 200 })
console.log('version 1:', await old.cents({ channel, ...refund })) // a refund is no income

const next = await start(income(2, (type, cents) => (type === 'Refunded' ? -cents : cents)))
while ((await next.status()).builds.every(build => build.version !== 2 || build.state !== 'active'))
  await new Promise(resolve => setTimeout(resolve, 50))
console.log('version 2:', await next.cents({ channel, ...refund }))
console.log((await next.status()).builds.map(({ version, state }) => `${version} ${state}`).join(', '))
// `holdfast projections switch-back` would show version 1 again, as fresh; `drop` takes it away.
await Promise.all([old.hf.close(), next.hf.close()])
