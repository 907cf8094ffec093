import { afterEach, describe, expect, it } from 'vitest'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { type OwnServer, ownPostgres, ownRedis } from '../support/own-servers.ts'
import { seeded } from '../support/seeded.ts'
import { startTraffic, type Traffic } from '../support/traffic.ts'
import { until } from '../support/until.ts'

const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1_000_000)
const channels = Array.from({ length: 16 }, (_, n) => `order:${n}`)

describe(`Postgres goes away under load (seed ${seed})`, () => {
  const random = seeded(seed)
  let database: OwnServer
  let redis: OwnServer
  let cluster: Cluster | undefined
  let traffic: Traffic | undefined

  afterEach(async () => {
    traffic?.close()
    for (const server of [database, redis]) server?.goOn()
    await cluster?.close()
    await Promise.all([database?.stop(), redis?.stop()])
    traffic = undefined
    cluster = undefined
  })

  async function start(lanes: number): Promise<Traffic> {
    database = await ownPostgres()
    redis = await ownRedis()
    cluster = await startCluster({
      databaseUrl: database.url,
      redisUrl: redis.url,
      config: { postgres: { lanes } },
    })
    traffic = await startTraffic(cluster.nodes, { channels, writers: 12 })
    return traffic
  }
  const nodesSay = (code: number) =>
    until(`both nodes say ${code}`, async () => {
      const answers = await Promise.all(
        (cluster?.nodes ?? []).map(({ http }) => fetch(`${http}/health/ready`)),
      )
      return answers.every(({ status }) => status === code)
    })

  it('killed and started again: nothing acknowledged is lost or doubled, and every subscriber sees every event once', async () => {
    const load = await start(1)
    for (let round = 0; round < 6; round++) {
      await load.further(50 + Math.floor(random() * 200))
      await database.kill()
      // Now it is back before anybody has given up, and now only when both nodes have said that it is gone.
      if (round % 2 === 1) await nodesSay(503)
      await database.startAgain()
      await load.further(20)
      await load.allSeen(`after kill ${round + 1}`)
    }
    expect(load.size).toBeGreaterThan(400)
    await load.finish(database.url)
  }, 120_000)

  it('hung, and killed together with Redis, over several lanes: the same', async () => {
    const load = await start(3)
    for (let round = 0; round < 4; round++) {
      await load.further(50 + Math.floor(random() * 200))
      database.hang()
      if (round % 2 === 1) await nodesSay(503)
      database.goOn()
      await load.further(20)
      await load.allSeen(`after hanging ${round + 1}`)

      await load.further(50 + Math.floor(random() * 200))
      const servers = round % 2 === 0 ? [database, redis] : [redis, database]
      await Promise.all(servers.map(server => server.kill()))
      for (const server of servers) await server.startAgain()
      await load.further(20)
      await load.allSeen(`after both were killed ${round + 1}`)
    }
    await load.finish(database.url)
  }, 120_000)
})
