import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ownLag } from '../../../test/support/own-lag.ts'
import { type OwnServer, ownPostgres } from '../../../test/support/own-servers.ts'
import { until } from '../../../test/support/until.ts'
import { asHoldfastError, newEventId } from '../../domain/index.ts'
import { connectPostgres, type Sql } from '../../platform/index.ts'
import { type BreakerChange, Breakers } from '../../resilience/index.ts'
import { migrate } from '../migrate.ts'
import type { Ledger } from './ledger.ts'
import { createPostgresLedger } from './postgres-ledger.ts'

let postgres: OwnServer
let sql: Sql
let ledger: Ledger
let breakers: Breakers
let changes: (BreakerChange & { at: number })[] = []

beforeAll(async () => {
  // Few enough for a test to take all of them.
  postgres = await ownPostgres(30)
  await migrate(postgres.url)
  // Writes also where the server as a whole takes no writes.
  const settings = { default_transaction_read_only: 'off' }
  sql = connectPostgres(postgres.url, { max: 1, applicationName: 'holdfast-test', settings })
})
afterAll(async () => {
  postgres?.goOn()
  await sql?.end({ timeout: 1 })
  await postgres?.stop()
})
beforeEach(async () => {
  breakers = new Breakers()
  changes = []
  breakers.onChange(change => changes.push({ ...change, at: performance.now() }))
  ledger = await createPostgresLedger({
    url: postgres.url,
    poolSize: 3,
    lanes: 1,
    allowUnsafeFsync: true,
    breakers,
    limits: { deadlineMs: 30_000 },
  })
  await ledger.ping()
})
afterEach(async () => {
  postgres.goOn()
  await ledger.close()
})

const event = (data = '1') => ({ channel: 'order:1', type: 'T', data, id: newEventId() })
const state = () => breakers.list()[0]?.state
const rejected = () => until('it rejects', () => state() === 'rejecting')
const passing = () => until('it passes', () => state() === 'passing')
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'ok',
    (error: unknown) => asHoldfastError(error).code,
  )

describe('a hung Postgres', () => {
  it('is noticed within a second of the next call, and what comes after is refused at once', async () => {
    const lag = ownLag()
    postgres.hang()
    const from = performance.now()
    const read = ledger.readChannel('order:1', { limit: 1 }).catch(() => undefined)
    await rejected()
    expect((changes[0]?.at ?? 0) - from).toBeLessThanOrEqual(1_000 + lag())
    const [append, again] = await Promise.all([
      codeOf(ledger.append(event())),
      codeOf(ledger.partitionHeads([1])),
    ])
    expect([append, again]).toEqual(['DEPENDENCY_REJECTED', 'DEPENDENCY_REJECTED'])
    expect(breakers.list()[0]?.counts.rejected).toBe(2)
    postgres.goOn()
    await passing()
    expect(await codeOf(ledger.append(event()))).toBe('ok')
    await read
  })

  it('is noticed by an append too, whose batch finds its end when it goes on', async () => {
    await ledger.append(event())
    const lag = ownLag()
    postgres.hang()
    const from = performance.now()
    const inFlight = ledger.append(event('2'))
    await rejected()
    expect((changes[0]?.at ?? 0) - from).toBeLessThanOrEqual(1_000 + lag())
    expect(await codeOf(ledger.append(event('3')))).toBe('DEPENDENCY_REJECTED')
    // Longer than the pools wait: the batch is sent again and again, by nobody refused.
    await until('the batch was sent again', () => (breakers.list()[0]?.counts.missed ?? 0) > 0, 30_000)
    expect(state()).not.toBe('passing')
    postgres.goOn()
    const outcome = await inFlight
    expect(['stored', 'duplicate']).toContain(outcome.kind)
    await passing()
    const { events } = await ledger.readChannel('order:1', { limit: 100 })
    expect(events.filter(({ data }) => data === '2')).toHaveLength(1)
    expect(events.filter(({ data }) => data === '3')).toHaveLength(0)
  })

  it('is asked over one connection at a time, however long it hangs', async () => {
    postgres.hang()
    const read = ledger.readChannel('order:1', { limit: 1 }).catch(() => undefined)
    const vain = () => breakers.list()[0]?.counts.probes.failed ?? 0
    await until('it was asked often', () => vain() >= 5, 30_000)
    postgres.goOn()
    await passing()
    await read
    await until('what was given up is closed', async () => {
      const [row] = await sql<{ count: number }[]>`
        select count(*)::int as count from pg_stat_activity where application_name = 'holdfast-probe'`
      return row?.count === 1
    })
  })
})

it('a killed Postgres is noticed by its closed connections, and found again without a call', async () => {
  await ledger.append(event())
  await postgres.kill()
  const [read] = await Promise.all([codeOf(ledger.readChannel('order:1', { limit: 1 })), rejected()])
  expect(read).toMatch(/^DEPENDENCY_/)
  expect(await codeOf(ledger.append(event()))).toBe('DEPENDENCY_REJECTED')
  await postgres.startAgain()
  await passing()
  await until('appends pass', async () => (await codeOf(ledger.append(event()))) === 'ok')
  // The last rejection, with its vain probes, was one story.
  const vain = breakers.list()[0]?.counts.probes.failed ?? 0
  expect(changes.length).toBeLessThanOrEqual(3 + 2 * vain)
})

it('a primary that takes no writes any more goes on answering reads, and what was refused is stored when it does', async () => {
  expect(await codeOf(ledger.append(event()))).toBe('ok')
  await sql`alter system set default_transaction_read_only = on`
  await sql`select pg_reload_conf()`
  // A session takes the new setting with the next statement that it is given, or the one after it.
  const gone = until('it has noticed', () => changes.length > 0)
  let refused: Promise<unknown> = Promise.resolve()
  while (changes.length === 0) {
    refused = ledger.append(event('refused for a while'))
    await Promise.race([refused, gone])
  }
  await until('several attempts have not tripped it again', async () => {
    const before = changes.length
    for (let n = 0; n < 20; n++) if ((await codeOf(ledger.channelHeads(['order:1']))) !== 'ok') return false
    return changes.length === before && state() === 'passing'
  })
  await sql`alter system reset default_transaction_read_only`
  await sql`select pg_reload_conf()`
  expect(await refused).toMatchObject({ kind: 'stored' })
  await passing()
})

it('a Postgres with no place for another connection is asked over those that exist', async () => {
  expect(await codeOf(ledger.append(event()))).toBe('ok')
  const others: Sql[] = []
  const crowd = () => {
    const one = connectPostgres(postgres.url, { max: 1, applicationName: 'holdfast-crowd' })
    others.push(one)
    return one`select 1`.then(
      () => true,
      () => false,
    )
  }
  while (await crowd());
  // It looks before it goes on by itself, over a connection that was not opened yet.
  breakers.hold('ledger', 'rejecting', 'a test')
  breakers.release('ledger', 'a test')
  await passing()
  expect(await codeOf(ledger.append(event()))).toBe('ok')
  await Promise.all(others.map(each => each.end({ timeout: 1 })))
})

it('a statement that takes its time, beside a server that answers, is only slow', async () => {
  const held = connectPostgres(postgres.url, { max: 1, applicationName: 'holdfast-test' })
  await held.unsafe('begin; lock table holdfast.events in access exclusive mode')
  const append = ledger.append(event('behind a lock'))
  await until('it was asked about', () => (breakers.list()[0]?.counts.probes.succeeded ?? 0) > 0)
  await held.unsafe('commit')
  expect(await append).toMatchObject({ kind: 'stored' })
  expect(changes).toEqual([])
  expect(breakers.list()[0]?.counts.slow).toBeGreaterThan(0)
  await held.end()
})
