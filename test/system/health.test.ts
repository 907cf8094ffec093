import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { type LocalPostgres, startLocalPostgres } from '../../src/cli/services/local-postgres.ts'
import { type LocalRedis, startLocalRedis } from '../../src/cli/services/local-redis.ts'
import type { Health } from '../../src/gateway/index.ts'
import { family, signal } from '../bootstrap/processes.ts'
import { type Cluster, type Node, startCluster } from '../support/cluster.ts'
import { connect, received, subscribe } from '../support/sdk.ts'
import { until } from '../support/until.ts'

const well = { status: 'ready', bus: 'ready', mirror: 'ready', ledger: 'ready' }
const withoutRedis = { status: 'degraded', bus: 'unreachable', mirror: 'unreachable', ledger: 'ready' }
const withoutPostgres = { status: 'unavailable', bus: 'ready', ledger: 'unreachable' }

describe('the health of two nodes', () => {
  let directory: string
  let postgres: LocalPostgres
  let redis: LocalRedis
  let cluster: Cluster
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-pg-'))
    postgres = await startLocalPostgres({ directory: join(directory, 'data') })
    redis = await startLocalRedis({ server: inject('redisServer') })
    cluster = await startCluster({ databaseUrl: postgres.url, redisUrl: redis.url })
  })
  afterAll(async () => {
    await cluster?.close()
    await redis?.stop()
    await postgres?.stop()
    for (const each of [directory, postgres?.directory ?? directory])
      await rm(each, { recursive: true, force: true })
  })
  afterEach(() => bothAre(200, well))

  const node = (i: number) => cluster.nodes[i] as Node
  const health = async ({ http }: Node) => {
    const response = await fetch(`${http}/health/ready`)
    const { status, degraded, parts } = (await response.json()) as Health
    const { bus, mirror, ledger } = parts
    return { code: response.status, said: { status, bus, mirror, ledger }, degraded }
  }
  /** Both nodes come to say so by themselves, and say that they live all the while. */
  async function bothAre(code: number, expected: Partial<typeof well>): Promise<void> {
    let last: unknown
    await until(`both nodes say ${code} ${JSON.stringify(expected)}`, async () => {
      for (const each of cluster.nodes) expect((await fetch(`${each.http}/health/live`)).status).toBe(200)
      const answers = await Promise.all(cluster.nodes.map(health))
      last = answers
      return answers.every(
        answer =>
          answer.code === code &&
          answer.degraded === (answer.said.status !== 'ready') &&
          Object.entries(expected).every(([key, value]) => answer.said[key as keyof typeof well] === value),
      )
    }).catch((error: Error) => {
      throw new Error(`${error.message}; they said ${JSON.stringify(last)}`)
    })
  }
  async function kill(server: LocalRedis | LocalPostgres): Promise<void> {
    const ended = once(server.process, 'exit')
    server.process.kill('SIGKILL')
    await ended
  }

  it('is good while all is well, and says the epoch', async () => {
    await bothAre(200, well)
    const answers = await Promise.all(
      cluster.nodes.map(async ({ http }) => (await (await fetch(`${http}/health`)).json()) as Health),
    )
    expect(answers[0]?.parts.epoch).toMatch(/^\w+$/)
    expect(answers[1]?.parts).toEqual(answers[0]?.parts)
  })

  it('is degraded and still good for traffic without Redis, which each node notices and gets over', async () => {
    await kill(redis)
    await bothAre(200, withoutRedis)
    const client = await connect(node(0).url, 'ann')
    const there = await connect(node(1).url, 'bob')
    const record = await subscribe(there, 'order:redis')
    await client.publish('order:redis', 'without Redis')
    await received(record, 1)
    redis = await startLocalRedis({ server: inject('redisServer'), port: Number(new URL(redis.url).port) })
    await bothAre(200, well)
    for (const each of [client, there]) each.disconnect()
  })

  it('is degraded while Redis hangs; signals reach their own node at once, and no other one late', async () => {
    const [sender, near, far] = await Promise.all([
      connect(node(0).url, 'ann'),
      connect(node(0).url, 'near'),
      connect(node(1).url, 'far'),
    ])
    const [here, there] = await Promise.all([subscribe(near, 'room:hung'), subscribe(far, 'room:hung')])
    redis.process.kill('SIGSTOP')
    for (let n = 0; n < 50; n++) await sender.publish('room:hung', n)
    await received(here, 50)
    await bothAre(200, withoutRedis)
    await sender.publish('room:hung', 'known to be away')
    await received(here, 51)
    // Who comes now is let in for what is said on this node.
    const late = await connect(node(0).url, 'late')
    const lateRecord = await subscribe(late, 'room:hung')
    await sender.publish('room:hung', 'for the late one')
    await received(lateRecord, 1)
    redis.process.kill('SIGCONT')
    await bothAre(200, well)
    await sender.publish('room:hung', 'all together')
    await received(there, 1)
    expect(there.data()).toEqual(['all together'])
    await received(lateRecord, 2)
    expect(lateRecord.data()).toEqual(['for the late one', 'all together'])
    for (const client of [sender, near, far, late]) client.disconnect()
  })

  it('is bad without Postgres, while signals go on and appends fail for now', async () => {
    const [ann, bob] = await Promise.all([connect(node(0).url, 'ann'), connect(node(1).url, 'bob')])
    const room = await subscribe(bob, 'room:postgres')
    const order = await subscribe(bob, 'order:postgres')
    await ann.publish('order:postgres', 'before')
    await received(order, 1)
    await kill(postgres)
    await bothAre(503, withoutPostgres)
    await expect(ann.publish('order:postgres', 'without')).rejects.toMatchObject({
      code: 100,
      temporary: true,
    })
    await ann.publish('room:postgres', 'still')
    await received(room, 1)
    postgres = await startLocalPostgres({
      directory: postgres.directory,
      port: Number(new URL(postgres.url).port),
    })
    await bothAre(200, well)
    await ann.publish('order:postgres', 'after')
    await until('the event is there', () => order.data().at(-1) === 'after')
    for (const each of [ann, bob]) each.disconnect()
  })

  it('is bad while Postgres hangs', async () => {
    // It answers in a process of its own for each connection.
    const processes = family(postgres.process.pid ?? 0).map(({ pid }) => pid)
    try {
      for (const pid of processes) signal(pid, 'SIGSTOP')
      await bothAre(503, withoutPostgres)
    } finally {
      for (const pid of processes) signal(pid, 'SIGCONT')
    }
  })

  it('is bad without both, and comes back with both', async () => {
    await Promise.all([kill(redis), kill(postgres)])
    await bothAre(503, { ...withoutPostgres, bus: 'unreachable', mirror: 'unreachable' })
    redis = await startLocalRedis({ server: inject('redisServer'), port: Number(new URL(redis.url).port) })
    postgres = await startLocalPostgres({
      directory: postgres.directory,
      port: Number(new URL(postgres.url).port),
    })
  })
})
