import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { enter, forgetful, ownPrefix, remembering, startNode } from '../../test/support/realtime-nodes.ts'
import { RecordingOutlet } from '../../test/support/recording-outlet.ts'
import { until } from '../../test/support/until.ts'
import { type LocalRedis, startLocalRedis } from '../cli/services/local-redis.ts'
import type { NamespaceOptions } from '../domain/index.ts'
import { encodePublication, pushPublication } from '../protocol/index.ts'
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

describe('a channel with a short history', () => {
  it('numbers publications densely over nodes and shows every subscriber the same order', async () => {
    const here = await enter(a, 'h:1', undefined, { options })
    const there = await enter(b, 'h:1', undefined, { options })
    expect(here.subscription).toMatchObject({ recoverable: true, positioned: true, position: { offset: 0 } })
    const places = await Promise.all(upTo(200).map(i => publish(i % 2 ? a : b, 'h:1', i)))
    expect(places.map(place => place?.offset).sort((x = 0, y = 0) => x - y)).toEqual(upTo(200))
    expect(new Set(places.map(place => place?.epoch)).size).toBe(1)
    await until('all have come', () => here.outlet.lines.length >= 200 && there.outlet.lines.length >= 200)
    expect(here.outlet.offsets()).toEqual(upTo(200))
    expect(there.outlet.lines).toEqual(here.outlet.lines)
  })

  it('begins a new life on another run of the server without what is left of the one before, wherever that ended', async () => {
    for (let n = 1; n <= 5; n++) await publish(a, 'h:run', n)
    const meta = `${prefix}:{h:run}:meta`
    const before = await direct.hget(meta, 'epoch')
    // As a replica that was promoted, or a file that was loaded, would have them.
    await direct.hset(meta, 'run', 'another')
    const request = { channel: 'h:run', limit: 10, reverse: false }
    const empty = await b.history(request, options)
    expect(empty).toMatchObject({ offset: 0, publications: [] })
    expect(empty.epoch).not.toBe(before)
    // A place that was left empty, for what went out without a number.
    await direct.hincrby(meta, 'offset', 1)
    expect(await b.history(request, options)).toMatchObject({ offset: 1, publications: [] })
    expect(await publish(a, 'h:run', 'after')).toEqual({ offset: 2, epoch: empty.epoch })
    const { publications } = await b.history(request, options)
    expect(publications.map(text => JSON.parse(text).data)).toEqual(['after'])
  })

  it('hands out, keeps and publishes the same bytes, as the protocol encodes them', async () => {
    const { outlet } = await enter(b, 'h:2', undefined, { options })
    const publication = {
      data: '{"b":1.0,"a":"✓ \\" ","n":12345678901234567890}',
      info: { user: 'ü', client: 'c', connInfo: '{"n":1.50}' },
      tags: { k: 'v' },
    }
    await a.publish({ channel: 'h:2', options, ...publication })
    await until('it has come', () => outlet.lines.length > 0)
    const time = Number(/"time":(\d+)\}/.exec(outlet.lines[0] ?? '')?.[1])
    const encoded = encodePublication({ ...publication, offset: 1, time })
    expect(outlet.lines).toEqual([pushPublication('h:2', encoded)])
    const page = await a.history({ channel: 'h:2', limit: 10, reverse: false }, options)
    expect(page.publications).toEqual([encoded])
    expect(Math.abs(Date.now() - time)).toBeLessThan(60_000)
  })

  it('pages forward and backward, from a place, and position only', async () => {
    for (const i of upTo(5)) await publish(a, 'h:3', i)
    const offsets = async (request: object) => {
      const page = await b.history({ channel: 'h:3', limit: 10, reverse: false, ...request }, options)
      expect(page.offset).toBe(5)
      return page.publications.map(text => (JSON.parse(text) as { offset: number }).offset)
    }
    const since = (offset: number) => ({ since: { offset, epoch: '' } })
    expect(await offsets({})).toEqual([1, 2, 3, 4, 5])
    expect(await offsets({ limit: 0 })).toEqual([])
    expect(await offsets({ limit: 2 })).toEqual([1, 2])
    expect(await offsets({ ...since(2), limit: 2 })).toEqual([3, 4])
    expect(await offsets({ reverse: true, limit: 2 })).toEqual([5, 4])
    expect(await offsets({ reverse: true, ...since(3) })).toEqual([2, 1])
    expect(await offsets({ reverse: true, ...since(1) })).toEqual([])
    const wrong = { channel: 'h:3', since: { offset: 1, epoch: 'another' }, limit: 1, reverse: false }
    await expect(a.history(wrong, options)).rejects.toMatchObject({ code: 'POSITION_LOST' })
    await expect(a.history({ channel: 'h:3', limit: 1, reverse: false }, forgetful)).rejects.toMatchObject({
      code: 'NOT_AVAILABLE',
    })
  })

  it('publishes without a number where the history is to be skipped', async () => {
    const { outlet } = await enter(b, 'h:4', undefined, { options })
    expect(await publish(a, 'h:4', 'skipped', { skipHistory: true })).toBeUndefined()
    await publish(a, 'h:4', 'kept')
    await until('both have come', () => outlet.lines.length === 2)
    expect(outlet.offsets()).toEqual([1])
    expect(outlet.ended).toEqual([])
  })

  it('answers a repeated idempotency key with the first place and publishes once', async () => {
    const { outlet } = await enter(b, 'h:5', undefined, { options })
    const again = { idempotencyKey: 'key' }
    const places = await Promise.all([publish(a, 'h:5', 1, again), publish(b, 'h:5', 1, again)])
    places.push(await publish(a, 'h:5', 1, again))
    await publish(a, 'h:5', 2)
    await until('both have come', () => outlet.lines.length === 2)
    expect(outlet.data()).toEqual([1, 2])
    expect(places.map(place => place?.offset)).toEqual([1, 1, 1])
    const ttl = await direct.pttl(`${prefix}:{h:5}:once:key`)
    expect(ttl).toBeGreaterThan(290_000)
    expect(ttl).toBeLessThanOrEqual(300_000)
  })

  it('gives a position only where it is wanted or forced', async () => {
    const free: NamespaceOptions = { ...options, forceRecovery: false }
    const none = await enter(a, 'h:6', undefined, { options: free })
    const asked = await enter(a, 'h:6', undefined, { options: free, positioned: true })
    const recoverable = await enter(a, 'h:6', undefined, { options: free, recoverable: true })
    const forced = await enter(a, 'h:6', undefined, { options: { ...free, forcePositioning: true } })
    const without = await enter(a, 'h:7', undefined, { options: { ...forgetful, forceRecovery: true } })
    const shown = [none, asked, recoverable, forced, without].map(({ subscription }) => [
      subscription.positioned,
      subscription.recoverable,
      subscription.position !== undefined,
    ])
    expect(shown).toEqual([
      [false, false, false],
      [true, false, true],
      [true, true, true],
      [true, false, true],
      [false, false, false],
    ])
  })
})

describe('sessions that end while they join', () => {
  it('leaves nothing behind for a session that closed before join', async () => {
    const outlet = new RecordingOutlet()
    const subscription = await a.subscribe({ channel: 'x:1', outlet, options })
    outlet.closed = true
    subscription.join()
    expect(a.channels().has('x:1')).toBe(false)
    const second = new RecordingOutlet()
    const other = await a.subscribe({ channel: 'x:1', outlet: second, options })
    a.unsubscribe('x:1', second.client)
    other.join()
    expect(a.channels().has('x:1')).toBe(false)
  })
})
