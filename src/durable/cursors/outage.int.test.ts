import { afterAll, beforeAll, expect, it } from 'vitest'
import { type OwnServer, ownPostgres } from '../../../test/support/own-servers.ts'
import { until } from '../../../test/support/until.ts'
import { type HoldfastError, newEventId } from '../../domain/index.ts'
import { connectPostgres, createLogger } from '../../platform/index.ts'
import { createPostgresLedger } from '../ledger/postgres-ledger.ts'
import { migrate } from '../migrate.ts'
import { createCursors } from './postgres-cursors.ts'
import type { Cursors } from './types.ts'

let database: OwnServer
const nodes: Cursors[] = []
const channel = 'order:1'
const events = 200

beforeAll(async () => {
  database = await ownPostgres()
  await migrate(database.url)
  const ledger = await createPostgresLedger({
    url: database.url,
    poolSize: 2,
    lanes: 1,
    allowUnsafeFsync: false,
  })
  const append = () => ledger.append({ channel, type: 'T', data: '1', id: newEventId() })
  await Promise.all(Array.from({ length: events }, append))
  for (let n = 0; n < 2; n++) {
    nodes.push(
      createCursors({
        url: database.url,
        partitions: ledger.partitions,
        namespaces: {},
        maxPerUser: 10,
        logger: createLogger('silent'),
      }),
    )
  }
  await ledger.close()
})
afterAll(async () => {
  database?.goOn()
  await Promise.all(nodes.map(node => node.close()))
  await database?.stop()
})

it('an ack that was answered outlives Postgres, killed or hung; every other one ends soon, with a temporary error', async () => {
  const key = (user: string) => ({ channel, user, name: 'inbox' })
  const users = ['ann', 'ben', 'cleo'].map(user => ({ user, sent: 0, answered: 0 }))
  let going = true
  let failures = 0
  let slowest = 0
  const loops = users.flatMap(state =>
    nodes.map(async node => {
      while (going) {
        state.sent = Math.min(events, state.sent + 1)
        const started = performance.now()
        try {
          const place = await node.ack({ ...key(state.user), offset: state.sent })
          state.answered = Math.max(state.answered, place.offset)
        } catch (error) {
          failures++
          expect((error as HoldfastError).remedy).toBe('retry_later')
        }
        slowest = Math.max(slowest, performance.now() - started)
        await new Promise(resolve => setTimeout(resolve, 10))
      }
    }),
  )
  const progress = async () => {
    const before = users.map(state => state.answered)
    await until('all go on', () =>
      users.every((state, i) => state.answered > (before[i] ?? 0) || state.answered === events),
    )
  }
  const kept = async () => {
    const sql = connectPostgres(database.url, { max: 1, applicationName: 'test' })
    for (const state of users) {
      const least = state.answered
      const [row] = await sql<{ offset: number }[]>`
        select "offset" from holdfast.cursors where "user" = ${state.user} and channel = ${channel}`
      expect(row?.offset).toBeGreaterThanOrEqual(least)
      expect(row?.offset).toBeLessThanOrEqual(state.sent)
    }
    await sql.end()
  }
  const failed = async () => {
    const before = failures
    await until('somebody is told', () => failures > before)
  }
  await progress()
  await database.kill()
  await failed()
  await database.startAgain()
  await kept()
  await progress()
  database.hang()
  await failed()
  database.goOn()
  await kept()
  await progress()
  going = false
  await Promise.all(loops)
  expect(slowest).toBeLessThan(8_000)
  await kept()
}, 60_000)

it('acks beyond ten thousand that wait are refused for now, and the others kept', async () => {
  const [node] = nodes
  const acks = Array.from({ length: 10_003 }, (_, i) =>
    node?.ack({ channel, user: `u${i % 2_000}`, name: 'inbox', offset: 1 + (i % 100) }),
  )
  const ends = await Promise.allSettled(acks)
  const refused = ends.filter(end => end.status === 'rejected')
  expect(refused.map(({ reason }) => (reason as HoldfastError).code)).toEqual(Array(3).fill('OVERLOADED'))
  expect(ends.slice(0, 10_000).every(end => end.status === 'fulfilled')).toBe(true)
})
