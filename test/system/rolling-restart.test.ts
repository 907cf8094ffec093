import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { startBalancer } from '../support/balancer.ts'
import { type Cluster, type Node, startCluster } from '../support/cluster.ts'
import { startCrowd } from '../support/crowd.ts'
import { type FreshDatabase, freshDatabase } from '../support/database.ts'
import { effectsTable } from '../support/effects-setup.ts'
import { FrameClient } from '../support/frame-client.ts'
import { connect, token } from '../support/sdk.ts'
import { startTraffic } from '../support/traffic.ts'
import { until } from '../support/until.ts'

const setup = fileURLToPath(new URL('../support/effects-setup.ts', import.meta.url))
const spreadMs = 1_000
const idle = 200

/** What a stopped worker could not give back in time, on a machine that has no time, is taken over after this. */
const leaseMs = 20_000

describe('nodes that are replaced one after the other', () => {
  let database: FreshDatabase
  let sql: postgres.Sql
  let cluster: Cluster
  let nodes: Node[]

  beforeAll(async () => {
    database = await freshDatabase(inject('postgresUrl'))
    sql = postgres(database.url, { max: 1 })
    await sql.unsafe(effectsTable)
    cluster = await startCluster({
      databaseUrl: database.url,
      setup,
      config: {
        limits: {
          pingIntervalMs: 600_000,
          drainDelayMs: 8_000,
          drainSpreadMs: spreadMs,
          drainTimeoutMs: 20_000,
        },
        workers: { leaseMs },
        log: { level: 'debug' },
      },
    })
    nodes = [...cluster.nodes]
  })
  afterAll(async () => {
    await cluster?.close()
    await sql?.end()
    await database?.drop()
  })

  const ends: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  const health = async (node: Node) => {
    const response = await fetch(`${node.http}/health/ready`)
    return { status: response.status, body: (await response.json()) as { parts: { draining: boolean } } }
  }

  it('lose nothing, send each client on once, and one after the other', async () => {
    const [a, b] = nodes as [Node, Node]
    const balancer = await startBalancer([a.port, b.port], { turns: true })
    ends.push(() => balancer.close())
    const behind = { ...a, name: 'the balancer', url: balancer.url }
    const traffic = await startTraffic([behind], { channels: ['order:1', 'order:2', 'order:3'], writers: 3 })
    ends.push(() => traffic.close())
    const crowd = await startCrowd([balancer.url], 'room:all', 12)
    ends.push(() => crowd.close())
    const shared = await token('idle')
    const sleepers = await Promise.all(
      Array.from({ length: idle }, async () => {
        const client = await FrameClient.connected(a.url, shared)
        client.send({ id: 2, subscribe: { channel: 'room:idle' } })
        await client.expectReply(2)
        return client
      }),
    )
    await Promise.all([traffic.further(200), crowd.further(100)])

    for (const old of [a, b]) {
      const sentAway = closesOf(old)
      const stopped = old.stop()
      const late = connect(old.url, 'late')
      // First it says so, and serves on until balancers have heard of it.
      await until('its readiness says so', async () => (await health(old)).status === 503)
      expect((await health(old)).body.parts.draining).toBe(true)
      expect(sentAway).toEqual([])
      ;(await late).disconnect()
      expect(await stopped).toBe(0)
      if (old === a) {
        await until('all it has said is read', () => sentAway.length > idle)
        const windowMs = Math.max(...sentAway) - Math.min(...sentAway)
        expect(windowMs).toBeGreaterThan(spreadMs / 2)
        // An even spread has a tenth in each of them; a step after a late turn makes up for at most three.
        expect(mostWithin(sentAway, 100) / sentAway.length).toBeLessThan(0.4)
        for (const client of sleepers)
          expect(await client.ended()).toEqual({ code: 3001, reason: 'shutdown' })
        await until('none of them is present', async () => {
          const stats = await b.api('presence_stats', { channel: 'room:idle' })
          return stats['num_clients'] === 0 && stats['num_users'] === 0
        })
      }
      const young = await cluster.start({ port: old.port })
      nodes[nodes.indexOf(old)] = young
      await Promise.all([traffic.further(200), crowd.further(100)])
    }

    // Each connection was ended by a node that was stopped, and no node was left twice.
    expect(new Set(crowd.endings.flat())).toEqual(new Set([3001]))
    expect(crowd.endings.flat().length).toBeGreaterThanOrEqual(crowd.clients.length)
    for (const codes of crowd.endings) expect(codes.length).toBeLessThanOrEqual(2)
    await crowd.finish(nodes)
    await traffic.finish(database.url)
    for (const group of ['competing', 'ordered']) {
      await until(
        `${group} has handled everything`,
        async () => {
          const [row] =
            await sql`select count(distinct id)::int as count from effects where "group" = ${group}`
          return row?.['count'] === traffic.size
        },
        3 * leaseMs,
      )
      const [row] = await sql`select count(*)::int as count from effects where "group" = ${group}`
      expect([group, row?.['count']]).toEqual([group, traffic.size])
    }
  }, 240_000)

  it('end at once when they are told a second time, a while after the first', async () => {
    const [, b] = nodes as [Node, Node]
    b.process.kill('SIGTERM')
    await until('it drains', async () => (await health(b)).status === 503)
    await until('it has ended', () => {
      b.process.kill('SIGTERM')
      return b.process.exitCode !== null
    })
    expect(b.process.exitCode).toBe(1)
  })
})

/** When the node has sent each client away, by its own clock, in milliseconds. */
function closesOf(node: Node): number[] {
  const times: number[] = []
  if (!node.process.stdout) throw new Error('the node has no output')
  createInterface({ input: node.process.stdout }).on('line', line => {
    if (line.includes('a client is sent to another node'))
      times.push(Date.parse((JSON.parse(line) as { time: string }).time))
  })
  return times
}

/** The most of the times that lie within any so many milliseconds. */
function mostWithin(times: readonly number[], ms: number): number {
  return Math.max(...times.map(from => times.filter(at => at >= from && at < from + ms).length))
}
