import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type SentinelServers, startRedisSentinel } from '../support/redis-sentinel.ts'
import { type RedisStage, startRedisStage } from '../support/redis-stage.ts'

describe('Redis behind sentinels in traffic', () => {
  let servers: SentinelServers
  let stage: RedisStage

  beforeAll(async () => {
    servers = await startRedisSentinel(inject('redisServer'))
    stage = await startRedisStage({ sentinel: servers.config })
    await stage.healed('at the beginning')
  }, 240_000)
  afterAll(async () => {
    await stage?.close()
    await servers?.close()
  })

  it('goes on over a failover that an operator asks for', async () => {
    const former = await servers.master()
    await stage.traffic.further(20)
    await servers.failOver()
    expect(await servers.master()).not.toBe(former)
    await stage.healed('after a failover in order')
  }, 240_000)

  it('goes on when the master is killed, and a replica takes its place', async () => {
    const former = await servers.master()
    await former.kill()
    try {
      await stage.traffic.further(50)
      await stage.traffic.allSeen('without a master')
      await servers.replaced(former)
      await stage.healed('after the master was killed')
    } finally {
      await former.startAgain()
    }
  }, 240_000)

  it('goes on when the master hangs, is replaced, and comes back', async () => {
    const former = await servers.master()
    former.hang()
    try {
      await servers.replaced(former)
      await stage.healed('while the former master hangs')
    } finally {
      former.goOn()
    }
    await stage.healed('with the former master back')
  }, 240_000)

  it('has lost nothing, and did everything once', async () => {
    await stage.finish()
  }, 180_000)

  it('is where commands look too, and nothing of it keeps a node that stops', async () => {
    const { mirror } = await stage.command<{ mirror: object }>('ledger', 'status')
    expect(mirror).toMatchObject({ withoutMirror: 0, lag: 0, ahead: 0 })
    await stage.stop()
  }, 60_000)
})
