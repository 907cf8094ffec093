// How does a page show a table that keeps itself up to date? It subscribes to the changes of a read model, reads it once, and
// applies what comes. Needs DATABASE_URL.
import { createHoldfast, defineReducer } from '../src/app/index.ts' // in your own project: from 'holdfast'
import { createClient } from '../src/client/index.ts' // in your own project: from '@holdfast/client'

const hf = await createHoldfast({
  http: { host: '127.0.0.1', port: Number(process.env.PORT ?? 0) },
  redis: { url: process.env.REDIS_URL },
  postgres: { url: process.env.DATABASE_URL, migrate: true },
  namespaces: { game: { tier: 'durable' }, scores: { tier: 'realtime' } },
  auth: { insecure: true }, // else a page reads through a route of your server, which adds the API key and says who may
  log: { level: 'error' },
})
hf.projection(
  defineReducer({
    name: 'scores',
    version: 1,
    channels: 'game:{id}',
    key: ({ params, data }) => `${params.id}/${(data as { player: string }).player}`,
    initial: () => 0,
    evolve: (points, { data }) => points + (data as { points: number }).points,
    changes: key => `scores:${key.split('/')[0]}`, // who watches one game hears of no other
  }),
)
const { port } = await hf.listen()
const game = crypto.randomUUID().slice(0, 8)
const table = new Map<string, number>()
let build = 0
async function read() {
  const url = `http://127.0.0.1:${port}/api/projections/scores?key[like]=${game}/%25&atLeast=game:${game}@1`
  const { result } = (await (await fetch(url)).json()) as Answer
  build = result.build
  table.clear()
  for (const { key, state } of result.rows) table.set(key, state)
}
type Answer = { result: { build: number; rows: { key: string; state: number }[] } }
type Told = { build: number; changes: { key: { key: string }; row: { state: number } }[] }
async function apply(told: Told) {
  if (told.build !== build) return read() // readers see another build of the read model by now
  for (const { key, row } of told.changes) table.set(key.key, row.state)
}
let turn = Promise.resolve() // one after the other: what is told while it reads is applied afterwards
const next = (act: () => Promise<void>) => {
  turn = turn.then(act)
}
await hf.append(`game:${game}`, 'Scored', { player: 'anna', points: 3 })
const client = createClient(`ws://127.0.0.1:${port}`)
await client.connect()
client.channel(`scores:${game}`).subscribe({
  onSubscribed: () => next(read), // again after a lost connection, during which something may have been missed
  onEvent: ({ data }) => next(() => apply(data as Told)),
})
for (const points of [3, 8, 13]) {
  while (table.get(`${game}/anna`) !== points) await new Promise(resolve => setTimeout(resolve, 20))
  console.log(`anna has ${points} points`)
  await hf.append(`game:${game}`, 'Scored', { player: 'anna', points: 5 })
}
client.disconnect()
await hf.close()
