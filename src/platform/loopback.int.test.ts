import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { type TcpProxy, tcpProxy } from '../../test/support/tcp-proxy.ts'
import { until } from '../../test/support/until.ts'
import { type LocalRedis, startLocalRedis } from '../cli/services/local-redis.ts'
import { LoopBack } from './loopback.ts'
import { PubSub } from './pubsub.ts'

const everyMs = 50
let elsewhere: LocalRedis
let proxy: TcpProxy
let commands: Redis
let pubsub: PubSub
let loopBack: LoopBack
let reachable: boolean
let changes: number
let made = 0

beforeEach(async () => {
  elsewhere = await startLocalRedis({ server: inject('redisServer') })
  proxy = await tcpProxy(inject('redisUrl'))
  commands = new Redis(inject('redisUrl'))
  pubsub = new PubSub(proxy.through(inject('redisUrl')), 'loopback-test', undefined, { pingEveryMs: 100 })
  reachable = true
  changes = 0
  loopBack = new LoopBack({
    pubsub,
    channel: `loopback-${process.pid}-${++made}`,
    publish: (...message) => (reachable ? commands.publish(...message) : Promise.reject(new Error('away'))),
    everyMs,
    onChange: () => changes++,
  })
  await until('it hears itself', () => loopBack.heard)
})
afterEach(async () => {
  loopBack.close()
  await pubsub.close()
  commands.disconnect()
  await proxy.close()
  await elsewhere.stop()
})

/** The subscriber, and nobody else, is led to a server on which nobody publishes. */
async function leadAstray(): Promise<void> {
  proxy.pointTo(elsewhere.url)
  proxy.cut()
  await until('it is led astray', () => pubsub.ready && !loopBack.heard)
}

describe('a node that sends messages to itself', () => {
  it('finds a subscriber that answers every PING on a server where nobody publishes, and connects it anew', async () => {
    await leadAstray()
    await until('it is found', () => loopBack.losses > 0)
    const other = new Redis(elsewhere.url)
    await until('it was subscribed there', async () =>
      /subscribe/.test(String(await other.info('commandstats'))),
    )
    other.disconnect()
    proxy.pointTo(inject('redisUrl'))
    await until('it hears itself again', () => loopBack.heard)
    let heard = 0
    await pubsub.subscribe(`loopback-${process.pid}-user`, () => heard++)
    await commands.publish(`loopback-${process.pid}-user`, 'x')
    await until('so do others', () => heard === 1)
  })

  it('makes new connections ever more seldom where that does not help', async () => {
    await leadAstray()
    await delay(everyMs * 60)
    expect(loopBack.losses).toBeGreaterThan(1)
    // After 1, 2, 4, 8, 16 and 32 rounds of rest.
    expect(loopBack.losses).toBeLessThan(8)
    expect(loopBack.heard).toBe(false)
  })

  it('takes no busy node for a deaf one, and blames nobody while commands are not answered', async () => {
    const { connection } = pubsub
    for (let i = 0; i < 5; i++) {
      const end = performance.now() + everyMs * 8
      while (performance.now() < end);
      await delay(everyMs / 2)
    }
    reachable = false
    await delay(everyMs * 8)
    reachable = true
    // Slow, by many rounds: all answers come, and all messages before them.
    proxy.slow({ delayMs: everyMs * 4 })
    await delay(everyMs * 20)
    expect([loopBack.losses, loopBack.heard, pubsub.connection]).toEqual([0, true, connection])
    expect(changes).toBe(1)
  })
})
