import { describe, expect, inject, it } from 'vitest'
import { startLocalRedis } from '../../src/cli/services/local-redis.ts'
import { createDurableTier, type OpenTier } from '../../src/durable/index.ts'
import { createLogger, type RedisTarget } from '../../src/platform/index.ts'
import { createRealtimeTier, type RealtimeTier } from '../../src/realtime/index.ts'
import { append, dense, listen } from '../support/durable-nodes.ts'
import { testLedger } from '../support/ledger.ts'
import { enter, forgetful, ownPrefix, remembering } from '../support/realtime-nodes.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { otherRedisServers, versionOf } from '../support/redis-servers.ts'
import { until } from '../support/until.ts'

const usual = inject('redisServer')
const others = otherRedisServers(usual)
const logger = createLogger('silent')

/** Two nodes' tiers speak to each other over Redis, keep a history, know who is there, and mirror the ledger. */
async function bothTiersWork(redis: RedisTarget): Promise<void> {
  const database = await testLedger()
  const prefix = ownPrefix()
  const realtime: RealtimeTier[] = []
  const durable: OpenTier[] = []
  for (const nodeId of ['a', 'b']) {
    realtime.push(await createRealtimeTier({ redis, prefix, nodeId, logger }))
    durable.push(await createDurableTier({ redis, nodeId, logger, ledger: await database.open() }))
  }
  const [a, b] = realtime as [RealtimeTier, RealtimeTier]
  const [first, second] = durable as [OpenTier, OpenTier]
  try {
    await until('both nodes reach each other', () => a.connected && b.connected)
    const { outlet } = await enter(b, 'room:1')
    const kept = await enter(b, 'recent:1', undefined, { options: remembering })
    await a.publish({ channel: 'room:1', data: '"hello"', options: forgetful })
    const place = await a.publish({ channel: 'recent:1', data: '"kept"', options: remembering })
    expect(place?.offset).toBe(1)
    await until('both are heard', () => outlet.lines.length === 1 && kept.outlet.lines.length === 1)
    await a.presence.enter('room:1', { client: 'c1', user: 'anna' })
    expect([...(await b.presence.list('room:1')).keys()]).toEqual(['c1'])

    const follower = await listen(second, 'order:1')
    await append(first, 'order:1', 20)
    await until('all events are there', () => follower.offsets().length === 20)
    expect(follower.offsets()).toEqual(dense(1, 20))
    await until('the mirror is level', () => second.status().mirror === 'ready')
  } finally {
    await Promise.all([...realtime, ...durable].map(tier => tier.close()))
    await database.close()
  }
}

describe.each(others)('$version', ({ file }) => {
  it('carries both tiers alone', async () => {
    const redis = await startLocalRedis({ server: file })
    try {
      await bothTiersWork(redis.url)
    } finally {
      await redis.stop()
    }
  })

  it('carries both tiers as a Cluster', async () => {
    const servers = await startRedisCluster(file, { masters: 3, replicas: 0 })
    try {
      await bothTiersWork(servers.target)
    } finally {
      await servers.close()
    }
  })
})

describe.skipIf(others.length > 0)('other servers than the usual one', () => {
  it('are not tested here: none is on the PATH, and HOLDFAST_TEST_REDIS_SERVER names none', ({ skip }) => {
    const reason = `only ${versionOf(usual)} was found; put a valkey-server or another redis-server on the PATH`
    console.log(`holdfast: ${reason}`)
    skip(reason)
  })
})
