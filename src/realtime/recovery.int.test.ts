import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { enter, ownPrefix, remembering, startNode } from '../../test/support/realtime-nodes.ts'
import { until } from '../../test/support/until.ts'
import { type LocalRedis, startLocalRedis } from '../cli/services/local-redis.ts'
import { encodePublication } from '../protocol/index.ts'
import type { RealtimeTier } from './tier.ts'

const options = remembering
let redis: LocalRedis
let direct: Redis
let a: RealtimeTier
let b: RealtimeTier
let prefix: string

beforeAll(async () => {
  redis = await startLocalRedis({ server: inject('redisServer') })
  direct = new Redis(redis.url)
})
beforeEach(async () => {
  prefix = ownPrefix()
  a = await startNode(redis.url, prefix, { positionCheckMs: 300 })
  b = await startNode(redis.url, prefix, { positionCheckMs: 300 })
})
afterEach(() => Promise.all([a.close(), b.close()]))
afterAll(async () => {
  direct.disconnect()
  await redis.stop()
})

const publish = (tier: RealtimeTier, channel: string, data: unknown, more: object = {}) =>
  tier.publish({ channel, data: JSON.stringify(data), options, ...more })

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)

describe('recovery from the short history', () => {
  it('gives everything since the place, and calls the requested place the position', async () => {
    const first = await publish(a, 'r:1', 1)
    for (const i of [2, 3, 4]) await publish(a, 'r:1', i)
    const { subscription, outlet } = await enter(b, 'r:1', undefined, {
      options,
      recover: { offset: 1, epoch: first?.epoch ?? '' },
    })
    expect(subscription).toMatchObject({ recovered: true, wasRecovering: true, position: first })
    expect(subscription.publications.map(text => JSON.parse(text).data)).toEqual([2, 3, 4])
    await publish(a, 'r:1', 5)
    await until('the next has come', () => outlet.lines.length > 0)
    expect(outlet.offsets()).toEqual([5])
  })

  it('recovers with nothing at the head, and takes an empty epoch for any', async () => {
    const place = await publish(a, 'r:2', 1)
    const at = await enter(b, 'r:2', undefined, { options, recover: place ?? { offset: 0, epoch: '' } })
    expect(at.subscription).toMatchObject({ recovered: true, publications: [] })
    const from0 = await enter(b, 'r:2', undefined, { options, recover: { offset: 0, epoch: '' } })
    expect(from0.subscription.recovered).toBe(true)
    expect(from0.subscription.publications).toHaveLength(1)
  })

  it('says so when the history no longer reaches back, ends before the place, or is of another epoch', async () => {
    const small = { ...options, history: { size: 3, ttlSeconds: 60 } }
    for (const i of upTo(6)) await a.publish({ channel: 'r:3', data: `${i}`, options: small })
    const { epoch } = await a.history({ channel: 'r:3', limit: 0, reverse: false }, small)
    for (const recover of [
      { offset: 2, epoch },
      { offset: 9, epoch },
      { offset: 6, epoch: 'other' },
    ]) {
      const { subscription } = await enter(b, 'r:3', undefined, { options: small, recover })
      expect(subscription).toMatchObject({
        recovered: false,
        wasRecovering: true,
        publications: [],
        position: { offset: 6, epoch },
      })
    }
    const reachable = await enter(b, 'r:3', undefined, { options: small, recover: { offset: 3, epoch } })
    expect(reachable.subscription.recovered).toBe(true)
    expect(reachable.subscription.publications).toHaveLength(3)
  })

  it('gives a session that joins under fire every offset after its place once and in order', async () => {
    let running = true
    const stream = (async () => {
      for (let i = 0; running; i++) {
        await Promise.all([publish(a, 'r:4', i), publish(b, 'r:4', i)])
      }
    })()
    const joined: Awaited<ReturnType<typeof enter>>[] = []
    for (let round = 0; round < 60; round++) {
      const known = joined.at(-1)
      const seen = known?.outlet.offsets().at(-1) ?? known?.subscription.position?.offset ?? 0
      const epoch = known?.subscription.position?.epoch ?? ''
      joined.push(
        await enter(round % 2 ? a : b, 'r:4', undefined, { options, recover: { offset: seen, epoch } }),
      )
    }
    running = false
    await stream
    const { offset: head } = await a.history({ channel: 'r:4', limit: 0, reverse: false }, options)
    expect(head).toBeGreaterThan(60)
    for (const { outlet, subscription } of joined) {
      expect(outlet.ended).toEqual([])
      await until('the head has come', () => (outlet.offsets().at(-1) ?? head) === head)
      const inReply = subscription.publications.map(text => (JSON.parse(text) as { offset: number }).offset)
      const all = [...inReply, ...outlet.offsets()]
      const first = (subscription.position?.offset ?? 0) + 1
      expect(all).toEqual(Array.from({ length: head - first + 1 }, (_, i) => first + i))
    }
  })

  it('ends the subscriptions of a channel in which a message was lost, and these recover it', async () => {
    const { outlet, subscription } = await enter(b, 'r:5', undefined, { options })
    const unplaced = await enter(b, 'r:5', undefined, { options: { ...options, forceRecovery: false } })
    await publish(a, 'r:5', 1)
    await until('the first has come', () => outlet.lines.length === 1)
    await loseNext('r:5')
    await publish(a, 'r:5', 3)
    await until('it is ended', () => outlet.ended.length > 0)
    expect(outlet.ended).toEqual([{ channel: 'r:5', code: 2500 }])
    expect(outlet.offsets()).toEqual([1])
    expect(unplaced.outlet.ended).toEqual([])
    await until('the others go on', () => unplaced.outlet.offsets().includes(3))
    const epoch = subscription.position?.epoch ?? ''
    const back = await enter(b, 'r:5', outlet, { options, recover: { offset: 1, epoch } })
    expect(back.subscription.recovered).toBe(true)
    expect(back.subscription.publications.map(text => JSON.parse(text).offset)).toEqual([2, 3])
  })

  it('finds a lost message in a channel that stays quiet afterwards, and brings it', async () => {
    const { outlet } = await enter(b, 'r:6', undefined, { options })
    await publish(a, 'r:6', 1)
    await until('the first has come', () => outlet.lines.length === 1)
    await loseNext('r:6')
    await until('it is found', () => outlet.lines.length === 2)
    expect(outlet.offsets()).toEqual([1, 2])
    expect(outlet.ended).toEqual([])
  })

  it('finds a lost message although Redis refuses to read the history of another channel', async () => {
    const broken = 'r:refused'
    await enter(b, broken, undefined, { options })
    const { outlet } = await enter(b, 'r:behind-refused', undefined, { options })
    await direct.set(`${prefix}:{${broken}}:meta`, 'of another type')
    await loseNext('r:behind-refused')
    await until('it is brought', () => outlet.offsets().length === 1)
  })

  it('leaves quiet channels in peace where nothing was lost', async () => {
    const { outlet } = await enter(b, 'r:7', undefined, { options })
    const witness = await enter(b, 'r:8', undefined, { options })
    await publish(a, 'r:7', 1)
    await until('it has come', () => outlet.lines.length === 1)
    // The witness lost one; where it has come all the same a round of comparing is over.
    await publish(a, 'r:8', 1)
    for (const n of upTo(2)) {
      await loseNext('r:8')
      await until('the witness has it', () => witness.outlet.lines.length === n + 1)
    }
    expect(outlet.ended).toEqual([])
    expect(outlet.offsets()).toEqual([1])
  })

  it('begins a new epoch after FLUSHALL and says recovered: false to those who come with the old one', async () => {
    const { outlet } = await enter(b, 'r:9', undefined, { options })
    const old = await publish(a, 'r:9', 1)
    await until('it has come', () => outlet.lines.length === 1)
    await direct.flushall()
    await until('the subscription is ended', () => outlet.ended.length > 0)
    const back = await enter(b, 'r:9', outlet, { options, recover: old ?? { offset: 0, epoch: '' } })
    expect(back.subscription).toMatchObject({
      recovered: false,
      wasRecovering: true,
      position: { offset: 0 },
    })
    expect(back.subscription.position?.epoch).not.toBe(old?.epoch)
    const place = await publish(a, 'r:9', 2)
    expect(place).toEqual({ epoch: back.subscription.position?.epoch, offset: 1 })
    await until('the new one has come', () => outlet.data().includes(2))
    expect(outlet.ended).toHaveLength(1)
  })

  it('forgets publications after their time but keeps the numbering', async () => {
    const short = { ...options, history: { size: 10, ttlSeconds: 1 } }
    const place = await a.publish({ channel: 'r:10', data: '1', options: short })
    await until('it is forgotten', async () => {
      const page = await a.history({ channel: 'r:10', limit: 10, reverse: false }, short)
      expect(page).toMatchObject(place ?? {})
      return page.publications.length === 0
    })
    const next = await a.publish({ channel: 'r:10', data: '2', options: short })
    expect(next).toEqual({ epoch: place?.epoch, offset: 2 })
  })
})

/** Appends a publication the way a node does, but the bus loses it. */
async function loseNext(channel: string): Promise<void> {
  const offset = await direct.hincrby(`${prefix}:{${channel}}:meta`, 'offset', 1)
  const publication = encodePublication({ data: '"lost"', offset })
  await direct.xadd(`${prefix}:{${channel}}:history`, `${offset}-0`, 'p', publication)
}
