import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { createOperations } from '../../src/durable/index.ts'
import { connectPostgres, type Sql } from '../../src/platform/index.ts'
import { type Cluster, type Node, openNamespaces, startCluster } from '../support/cluster.ts'
import { rawHttp, reply } from '../support/raw-http.ts'
import { until } from '../support/until.ts'
import { WebhookReceiverProcess } from '../support/webhook-receiver-process.ts'

const secret = () => `whsec_${randomBytes(32).toString('base64')}`
const [oldSecret, newSecret] = [secret(), secret()]
const events = 240
const poisoned = (n: number) => n % 40 === 7
const patience = 60_000

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function start(url: string, nodes: number, timeoutMs: number): Promise<{ cluster: Cluster; sql: Sql }> {
  const rules = {
    shop: {
      on: { channel: 'order:{id}', type: 'OrderPlaced' },
      webhook: { url, secrets: [newSecret, oldSecret], allowPrivate: true, timeoutMs },
      attempts: 12,
      backoffMs: { first: 50, most: 600 },
    },
  }
  const config = { namespaces: openNamespaces, jobs: { rules } }
  const cluster = await startCluster({ ownRedis: true, config, nodes })
  ends.push(() => cluster.close())
  const sql = connectPostgres(cluster.databaseUrl, { max: 2, applicationName: 'holdfast-test' })
  ends.push(() => sql.end({ timeout: 1 }))
  await until('the rule is known', async () => (await sql`select from holdfast.job_rules`).length === 1)
  return { cluster, sql }
}

async function append(cluster: Cluster, from: number, to: number): Promise<void> {
  const [node] = cluster.nodes
  if (!node) throw new Error('there is no node')
  for (let n = from; n < to; n++) {
    const data = { n, poison: poisoned(n) }
    await node.api('append', { channel: `order:${n % 50}`, type: 'OrderPlaced', data })
    await node.api('append', { channel: `order:${n % 50}`, type: 'Noise', data })
  }
}

interface Row {
  delivery: number
  state: string
  id: string
  n: number
  reason: string | null
}

function rows(sql: Sql): Promise<Row[]> {
  return sql<Row[]>`
    select deliveries.id as delivery, state, event_id as id, (data::json ->> 'n')::int as n, reason
    from holdfast.deliveries join holdfast.events using (partition, position)
    where consumer = 'rule/shop'`
}

const open = async (sql: Sql) =>
  (await rows(sql)).filter(({ state }) => !['done', 'parked', 'discarded'].includes(state)).length

describe('a receiver that fails, hangs, lies, goes away and comes back', () => {
  it('gets every event at least once, or it is parked; whatever becomes of Redis, the workers and the secret', async () => {
    const seed = randomBytes(4).readUInt32BE()
    const receiver = await WebhookReceiverProcess.make(seed)
    ends.push(() => receiver.close())
    await receiver.start(oldSecret)
    const { cluster, sql } = await start(receiver.url, 2, 500)
    const taken = async () => new Set((await receiver.journal()).map(({ event }) => event)).size

    await append(cluster, 0, events / 2)
    await until('a quarter has been tried', async () => (await taken()) > events / 4, patience)
    const redis = new Redis(cluster.redisUrl)
    await redis.flushall()
    await receiver.kill()
    await append(cluster, events / 2, events)
    await cluster.nodes[1]?.kill()
    const third = cluster.start()
    // It comes back with the new secret only.
    await receiver.start(newSecret)
    await third
    await redis.flushall()
    redis.disconnect()

    await until(
      `no delivery is open (seed ${seed})`,
      async () => {
        const all = await rows(sql)
        return all.length === events && (await open(sql)) === 0
      },
      patience,
    )
    await checkEnd(receiver, sql, seed)

    // What was parked for the receiver's moods alone goes through when it is redriven, until only poison is left.
    const { deliveries } = createOperations(sql)
    await until(
      `all but the poison is delivered (seed ${seed})`,
      async () => {
        if ((await open(sql)) > 0) return false
        const parked = (await rows(sql)).filter(({ state, n }) => state === 'parked' && !poisoned(n))
        if (parked.length === 0) return true
        await deliveries.redrive({ ids: parked.map(({ delivery }) => delivery) }, { actor: 'test' })
        return false
      },
      patience,
    )
    const { done, parked } = await checkEnd(receiver, sql, seed)
    expect(done.every(({ n }) => !poisoned(n))).toBe(true)
    expect(parked.every(({ n }) => poisoned(n))).toBe(true)
  }, 180_000)
})

describe('a receiver that wants no more', () => {
  it('is disabled by an event that says so, gets nothing, and gets the rest when people want it to', async () => {
    let answer = reply(410, 'moved out')
    const to = await rawHttp(socket => socket.write(answer))
    ends.push(() => to.close())
    const { cluster, sql } = await start(`${to.url}/hooks`, 1, 10_000)
    const [node] = cluster.nodes as [Node]
    await append(cluster, 0, 1)
    await until('it is parked', async () => (await rows(sql))[0]?.state === 'parked', patience)
    await append(cluster, 1, 3)
    const states = async () => (await rows(sql)).map(({ state }) => state).sort()
    await until(
      'the others are parked too',
      async () => (await states()).join() === 'parked,parked,parked',
      patience,
    )
    expect(to.requests).toHaveLength(1)

    answer = reply(200)
    expect(await node.api('enable_webhook', { rule: 'shop', actor: 'anna' })).toEqual({
      changed: true,
      parked: 3,
    })
    await node.api('redrive', { consumer: 'rule/shop', preview: false })
    await until('all are done', async () => (await states()).join() === 'done,done,done', patience)
    expect(new Set(to.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(3)

    const told = () =>
      node.api<{ publications: { data: object; tags: object }[] }>('history', {
        channel: 'holdfast:webhooks',
        limit: 10,
      })
    await until('both changes are recorded', async () => (await told()).publications.length === 2, patience)
    const reason = 'status 410: moved out'
    expect((await told()).publications).toMatchObject([
      { data: { rule: 'shop', reason, failures: 1, by: null }, tags: { type: 'WebhookDisabled' } },
      { data: { rule: 'shop', by: 'anna' }, tags: { type: 'WebhookEnabled' } },
    ])
  }, 120_000)
})

/** Every event has ended, and what is done was really taken, under its own id and with a signature that is true. */
async function checkEnd(receiver: WebhookReceiverProcess, sql: Sql, seed: number) {
  const journal = await receiver.journal()
  const note = `seed ${seed}`
  expect(
    journal.filter(({ did }) => did === 'unverified'),
    note,
  ).toEqual([])
  const took = new Map<string, Set<string>>()
  for (const { id, event, did } of journal) {
    if (/^(took|lied)/.test(did)) took.set(event, (took.get(event) ?? new Set()).add(id))
  }
  const ids = new Set(journal.map(({ id }) => id))
  const all = await rows(sql)
  expect(new Set(all.map(({ id }) => id)).size, note).toBe(events)
  for (const id of ids)
    expect(
      all.some(row => `shop_${row.id}` === id),
      `${note}: ${id}`,
    ).toBe(true)
  const done = all.filter(({ state }) => state === 'done')
  const parked = all.filter(({ state }) => state === 'parked')
  expect(done.length + parked.length, note).toBe(events)
  for (const { id } of done) expect([...(took.get(id) ?? [])], note).toEqual([`shop_${id}`])
  return { done, parked }
}
