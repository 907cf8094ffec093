import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { slotOf } from '../../src/platform/slots.ts'
import { type ClusterServer, type RedisClusterServers, startRedisCluster } from '../support/redis-cluster.ts'
import { type RedisStage, startRedisStage } from '../support/redis-stage.ts'
import { until } from '../support/until.ts'

describe('a Redis Cluster in traffic', () => {
  let servers: RedisClusterServers
  let stage: RedisStage

  beforeAll(async () => {
    servers = await startRedisCluster(inject('redisServer'))
    stage = await startRedisStage({ cluster: servers.config })
    await stage.healed('at the beginning')
  }, 240_000)
  afterAll(async () => {
    await stage?.close()
    await servers?.close()
  })

  const masters = async (): Promise<readonly ClusterServer[]> => {
    const running = servers.servers.filter(each => each.running)
    const roles = await Promise.all(running.map(each => each.redis.role()))
    return running.filter((_, n) => roles[n]?.[0] === 'master')
  }

  /** One slot of each kind of key on each master: of a partition, of realtime channels, of jobs. */
  async function slotsInUse(): Promise<number[]> {
    const slots: number[] = []
    for (const { redis } of await masters()) {
      const keys = await redis.keys('*')
      for (const kind of [
        /^\{[^.]+\.\d+\}:log$/,
        /^\{holdfast\.\d+\}:meta:/,
        /^\{holdfast\.jobs\..*\}:rule-/,
      ]) {
        const key = keys.find(each => kind.test(each))
        if (key !== undefined) slots.push(slotOf(key))
      }
    }
    return slots
  }

  it('goes on while slots that are in use move from node to node', async () => {
    const slots = await slotsInUse()
    expect(slots.length).toBeGreaterThan(4)
    for (const slot of slots) {
      const from = await servers.masterOf(slot)
      const to = (await masters()).find(each => each !== from) ?? from
      await servers.moveSlot(slot, to, () => stage.traffic.further(5))
    }
    await servers.whole()
    await stage.healed('after slots have moved')
  }, 180_000)

  it('goes on when a master is killed, and its replica takes over', async () => {
    const [master] = await masters()
    if (!master) throw new Error('there is no master')
    const replica = await servers.replicaOf(master)
    await master.kill()
    try {
      await stage.traffic.further(50)
      await stage.traffic.allSeen('without a master')
      await until(
        'the replica has taken over',
        async () => (await replica.redis.role())[0] === 'master',
        60_000,
      )
      await stage.healed('after a failover')
    } finally {
      await master.startAgain()
    }
    await servers.whole()
  }, 180_000)

  it('goes on when a master comes back empty, and no replica takes over', async () => {
    const slots = await slotsInUse()
    const master = await servers.masterOf(slots.at(-1) ?? 0)
    for (const each of servers.servers) await each.redis.config('SET', 'cluster-replica-no-failover', 'yes')
    await master.kill()
    try {
      await stage.traffic.further(20)
    } finally {
      await master.startAgain()
    }
    await servers.whole()
    expect((await master.redis.role())[0]).toBe('master')
    await stage.healed('after a master has come back empty')
  }, 180_000)

  it('has lost nothing, and did everything once', async () => {
    await stage.finish()
  }, 180_000)

  it('is where commands look too, and nothing of it keeps a node that stops', async () => {
    const { mirror } = await stage.command<{ mirror: object }>('ledger', 'status')
    expect(mirror).toMatchObject({ withoutMirror: 0, lag: 0, ahead: 0 })
    const erased = await stage.command('erase', 'order:0', 1, '--reason', 'asked for', '--yes')
    expect(erased).toMatchObject({ redis: 'removed' })
    await stage.stop()
  }, 60_000)
})
