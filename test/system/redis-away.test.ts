import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { type OwnServer, ownRedis } from '../support/own-servers.ts'
import { seeded } from '../support/seeded.ts'
import { startTraffic, type Traffic } from '../support/traffic.ts'
import { until } from '../support/until.ts'

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1_000_000)
const channels = Array.from({ length: 16 }, (_, n) => `order:${n}`)

describe(`Redis goes away under load (seed ${seed})`, () => {
  const random = seeded(seed)
  let redis: OwnServer
  let cluster: Cluster | undefined
  let traffic: Traffic | undefined

  afterEach(async () => {
    traffic?.close()
    redis?.goOn()
    await cluster?.close()
    await redis?.stop()
    traffic = undefined
    cluster = undefined
  })

  async function start(): Promise<{ load: Traffic; nodes: Cluster }> {
    redis = await ownRedis()
    cluster = await startCluster({ redisUrl: redis.url })
    traffic = await startTraffic(cluster.nodes, { channels, writers: 12 })
    return { load: traffic, nodes: cluster }
  }
  const mirrorIs = (state: string) =>
    until(`the mirror is ${state} for all nodes`, async () => {
      const answers = await Promise.all(
        (cluster?.nodes ?? []).map(({ http }) => fetch(`${http}/health/ready`)),
      )
      const parts = await Promise.all(
        answers.map(each => each.json() as Promise<{ parts: { mirror: string } }>),
      )
      return parts.every(each => each.parts.mirror === state)
    })

  it('killed and back empty, hung, or wiped: appends go on, and every subscriber sees every event once', async () => {
    const { load, nodes } = await start()
    for (let round = 0; round < 4; round++) {
      await load.further(50 + Math.floor(random() * 200))
      await redis.kill()
      if (round % 2 === 0) {
        await load.further(50)
        await load.allSeen('without Redis')
      }
      await redis.startAgain()
      if (round % 2 === 0) await mirrorIs('ready')
      await load.further(20)
      await load.allSeen('with Redis back')

      await load.further(50 + Math.floor(random() * 200))
      redis.hang()
      if (round % 2 === 1) {
        await mirrorIs('unreachable')
        await load.allSeen('while Redis hangs')
      }
      await load.further(50)
      redis.goOn()
      await load.allSeen('after Redis has hung')

      const wiper = new Redis(redis.url)
      for (let n = 0; n < 5; n++) {
        await load.further(10 + Math.floor(random() * 50))
        await wiper.flushall()
        if (n % 2 === 1) await wiper.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      }
      wiper.disconnect()
      await load.allSeen('after wipes')
    }
    expect(load.size).toBeGreaterThan(1_000)
    await load.finish(nodes.databaseUrl)
  }, 120_000)

  it('before a node starts: it serves from the ledger, and takes Redis up when it comes', async () => {
    const { load, nodes } = await start()
    await load.further(100)
    await redis.kill()
    const third = await nodes.start()
    await load.watch(third)
    await load.further(50)
    await load.allSeen('without Redis')
    await redis.startAgain()
    await mirrorIs('ready')
    await load.further(50)
    await load.allSeen('with Redis')
    await load.finish(nodes.databaseUrl)
  }, 60_000)
})
