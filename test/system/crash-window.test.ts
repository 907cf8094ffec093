import { Redis } from 'ioredis'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, type Node, startCluster } from '../support/cluster.ts'
import { connect, dense, subscribe } from '../support/sdk.ts'
import { seeded } from '../support/seeded.ts'
import { until } from '../support/until.ts'

const kills = Number(process.env['HOLDFAST_TEST_KILLS'] ?? 100)
const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1_000_000)

/**
 * Nodes are killed with SIGKILL while they append. Some die after a commit and before the mirror has it; the
 * subscribers on the node that lives must have those events too, from the sweeper.
 */
describe(`a node killed while it appends (seed ${seed}, ${kills} kills)`, () => {
  let cluster: Cluster
  let redis: Redis
  let sql: postgres.Sql
  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1 })
    redis = new Redis(cluster.redisUrl)
    sql = postgres(cluster.databaseUrl, { max: 2 })
  })
  afterAll(async () => {
    redis?.disconnect()
    await sql?.end()
    await cluster?.close()
  })

  it('loses nothing that was acknowledged, and what it committed reaches the other node', async () => {
    const random = seeded(seed)
    const survivor = cluster.nodes[0] as Node
    const reader = await connect(survivor.url, 'reader')
    const channels = ['order:crash-1', 'order:crash-2', 'order:crash-3']
    const records = await Promise.all(channels.map(channel => subscribe(reader, channel)))
    const partitions = await sql<{ epoch: string }[]>`select epoch from holdfast.ledger`
    const epoch = partitions[0]?.epoch ?? ''
    const acknowledged = new Set<string>()
    let inWindow = 0
    const delays: number[] = []
    let next = cluster.start()

    for (let kill = 0; kill < kills; kill++) {
      const victim = await next
      if (kill + 1 < kills) next = cluster.start()
      const writers = await Promise.all([1, 2].map(i => connect(victim.url, `writer-${kill}-${i}`)))
      let running = true
      const flood = writers.flatMap(writer =>
        Array.from({ length: 12 }, async (_, n) => {
          for (let i = 0; running; i++) {
            const id = crypto.randomUUID()
            const channel = channels[(n + i) % channels.length] ?? ''
            const done = await writer
              .rpc('holdfast.append', { channel, type: 'Risky', data: { kill }, id })
              .catch(() => undefined)
            if (!done) return
            acknowledged.add(id)
          }
        }),
      )
      await new Promise(resolve => setTimeout(resolve, 20 + random() * 60))
      await victim.kill()
      running = false
      const killedAt = performance.now()
      inWindow += await unmirrored(sql, redis, epoch, channels)
      for (const writer of writers) writer.disconnect()
      await Promise.all(flood)
      const heads = await sql<{ channel: string; head: number }[]>`
        select channel, max("offset")::int as head from holdfast.events where channel = any(${channels}) group by channel`
      await until(`the reader has everything after kill ${kill}`, () =>
        heads.every(({ channel, head }) => {
          const record = records.find(each => each.subscription.channel === channel)
          return (record?.publications.length ?? 0) >= head
        }),
      )
      delays.push(performance.now() - killedAt)
    }

    const rows = await sql<{ id: string; channel: string }[]>`
      select id::text, channel from holdfast.events where channel = any(${channels})`
    const stored = new Set(rows.map(row => row.id))
    expect([...acknowledged].filter(id => !stored.has(id))).toEqual([])
    for (const record of records) {
      const head = rows.filter(row => row.channel === record.subscription.channel).length
      expect(record.offsets()).toEqual(dense(head))
    }
    const late = delays.filter(delay => delay > 1_000).length
    console.info(
      `seed ${seed}: ${kills} kills, ${inWindow} fell between commit and mirror; ${rows.length} events, ` +
        `${acknowledged.size} acknowledged, 0 lost; the reader was whole after at most ` +
        `${Math.round(Math.max(...delays))} ms (${late} times after more than a second)`,
    )
    expect(inWindow).toBeGreaterThan(0)
    reader.disconnect()
  }, 900_000)
})

/** 1 where a channel's partition stands in the ledger beyond what its mirror has, else 0. */
async function unmirrored(
  sql: postgres.Sql,
  redis: Redis,
  epoch: string,
  channels: string[],
): Promise<number> {
  const heads = await sql<{ partition: number; head: number }[]>`
    select partition, max(position)::int as head from holdfast.events
    where partition in (select distinct partition from holdfast.events where channel = any(${channels}))
    group by partition`
  for (const { partition, head } of heads) {
    const last = Number((await redis.hget(`{${epoch}.${partition}}:meta`, 'last')) ?? 0)
    if (last < head) return 1
  }
  return 0
}
