import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import { afterAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { startLocalRedis } from '../../cli/services/local-redis.ts'
import type { Entry } from './entry.ts'
import { busChannel, type PartitionKeys, partitionKeys } from './keys.ts'
import { type Announce, MirrorScripts } from './scripts.ts'

const redis = new Redis(inject('redisUrl'))
const scripts = new MirrorScripts()
const keep = { logSize: 100, historySize: 50, historyTtlMs: 60_000 }
let epoch: string
let keys: PartitionKeys

beforeEach(() => {
  epoch = randomBytes(5).toString('hex')
  keys = partitionKeys(epoch, 3)
})
afterAll(() => redis.disconnect())

const entry = (position: number, offset = position, channel = 'a'): Entry => ({
  partition: 3,
  position,
  channel,
  offset,
  line: `${channel}${offset}`,
})
const entries = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => entry(from + i))
const apply = (
  from: number,
  to: number,
  list = entries(from, to),
  announce: Announce = 'none',
  options = keep,
) => scripts.applyRange(redis, keys, { from, to, entries: list }, options, announce)
const seed = (gen = 'g1', floor = 1, expected = '') =>
  scripts.seedPartition(redis, keys, expected, gen, floor)
const history = async (
  since: number,
  options: { channel?: string; limit?: number; reverse?: boolean } = {},
) => {
  const { channel = 'a', limit = 100, reverse = false } = options
  const { text, ...rest } = await scripts.readHistory(redis, keys, { channel, since, limit, reverse })
  return { ...rest, lines: rest.count === 0 ? [] : text.toString().split('\n') }
}
const logIds = async () => (await redis.xrange(keys.log, '-', '+')).map(([id]) => id)
const meta = () => redis.hgetall(keys.meta)

describe('the scripts', () => {
  it('are named for the number of their keys and begin with what they promise', () => {
    const folder = new URL('./scripts/', import.meta.url)
    const files = readdirSync(folder)
    expect(files.length).toBeGreaterThan(2)
    for (const name of files) {
      const text = readFileSync(new URL(name, folder), 'utf8')
      const count = Number(/-(\d+)\.lua$/.exec(name)?.[1])
      const named = new Set([...text.matchAll(/KEYS\[(\d+)\]/g)].map(([, n]) => Number(n)))
      expect([name, Math.max(...named)]).toEqual([name, count])
      expect(text.startsWith('--[[')).toBe(true)
      expect(text.slice(0, text.indexOf(']]'))).toContain('Returns')
    }
  })

  it('are sent again to a Redis that has forgotten them', async () => {
    await seed()
    await redis.script('FLUSH')
    expect((await apply(1, 2)).code).toBe('applied')
  })
})

describe('applying a range', () => {
  it('writes the log, the histories and the last position', async () => {
    await seed()
    const list = [entry(1, 1, 'a'), entry(2, 1, 'b'), entry(3, 2, 'a')]
    expect(await apply(1, 3, list)).toEqual({ code: 'applied', last: 3, gen: 'g1' })
    expect(await redis.xrange(keys.log, '-', '+')).toEqual([
      ['1-0', ['c', 'a', 'o', '1', 'l', 'a1']],
      ['2-0', ['c', 'b', 'o', '1', 'l', 'b1']],
      ['3-0', ['c', 'a', 'o', '2', 'l', 'a2']],
    ])
    expect(await history(0)).toEqual({ top: 2, count: 2, lines: ['a1', 'a2'] })
    expect(await history(0, { channel: 'b' })).toEqual({ top: 1, count: 1, lines: ['b1'] })
    expect(await meta()).toMatchObject({ last: '3', top: '3', floor: '1', gen: 'g1' })
    expect(await redis.pttl(`{${epoch}.3}:h:g1:a`)).toBeGreaterThan(50_000)
    expect(await redis.pttl(keys.log)).toBeGreaterThan(80_000_000)
  })

  it('refuses what does not follow, and writes nothing of it', async () => {
    await seed()
    await apply(1, 2)
    const before = [await logIds(), await meta(), await history(0)]
    expect(await apply(4, 5)).toMatchObject({ code: 'refused', last: 2 })
    expect([await logIds(), await meta(), await history(0)]).toEqual(before)
  })

  it('changes nothing when it is repeated, wholly or in part', async () => {
    await seed()
    await apply(1, 5)
    expect(await apply(2, 4)).toMatchObject({ code: 'applied', last: 5 })
    expect(await apply(3, 7)).toMatchObject({ code: 'applied', last: 7 })
    expect(await logIds()).toEqual(['1-0', '2-0', '3-0', '4-0', '5-0', '6-0', '7-0'])
    expect((await history(0)).lines).toEqual(['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7'])
  })

  it('counts positions that retention has removed as there', async () => {
    await seed()
    expect(await apply(1, 10, [entry(4), entry(9)])).toMatchObject({ code: 'applied', last: 10 })
    expect(await apply(11, 11)).toMatchObject({ code: 'applied', last: 11 })
    expect(await logIds()).toEqual(['4-0', '9-0', '11-0'])
    expect(await apply(12, 20, [])).toMatchObject({ code: 'applied', last: 20 })
  })

  it('keeps log and histories at exactly their sizes, and says from where on the log is whole', async () => {
    await seed()
    const small = { logSize: 5, historySize: 3, historyTtlMs: 1_000 }
    await apply(1, 12, entries(1, 12), 'none', small)
    expect(await logIds()).toEqual(['8-0', '9-0', '10-0', '11-0', '12-0'])
    expect((await meta())['floor']).toBe('8')
    expect((await history(9)).lines).toEqual(['a10', 'a11', 'a12'])
    expect(await history(8)).toEqual({ top: 12, count: 0, lines: [] })
  })

  it('begins a history anew behind a hole, so that none is ever inside', async () => {
    await seed()
    await apply(1, 3)
    await apply(4, 4, entries(4, 4), 'none', { ...keep, historySize: 0 })
    await apply(5, 6)
    expect(await history(3)).toEqual({ top: 6, count: 0, lines: [] })
    expect((await history(4)).lines).toEqual(['a5', 'a6'])
  })

  it('says that a partition was never seeded, or was wiped', async () => {
    expect(await apply(1, 1)).toEqual({ code: 'unseeded', last: 0, gen: '' })
    expect(await redis.exists(keys.meta, keys.log)).toBe(0)
  })

  it('says that the log has lost entries, deleted or cut at its end', async () => {
    await seed()
    await apply(1, 5)
    await redis.xdel(keys.log, '5-0')
    expect(await apply(6, 6)).toMatchObject({ code: 'lost', gen: 'g1' })
    await redis.del(keys.log)
    expect(await apply(6, 6)).toMatchObject({ code: 'lost', gen: 'g1' })
    expect(await redis.exists(keys.log)).toBe(0)
    expect(await seed('g2', 1, 'g1')).toBe(true)
    expect(await apply(1, 6)).toEqual({ code: 'applied', last: 6, gen: 'g2' })
  })

  it('takes a place that went back, as on a promoted stale replica, without doubling an entry', async () => {
    await seed()
    await apply(1, 8)
    await redis.hset(keys.meta, 'last', 4)
    expect(await apply(9, 9)).toMatchObject({ code: 'refused', last: 4 })
    expect(await apply(5, 9)).toMatchObject({ code: 'applied', last: 9 })
    expect(await logIds()).toEqual(['1-0', '2-0', '3-0', '4-0', '5-0', '6-0', '7-0', '8-0', '9-0'])
    expect((await history(0)).lines).toHaveLength(9)
    expect((await meta())['top']).toBe('9')
  })

  it('starts a deleted history at what comes, while meta stays', async () => {
    await seed()
    await apply(1, 4)
    await redis.del(`{${epoch}.3}:h:g1:a`)
    await apply(5, 6)
    expect(await history(0)).toEqual({ top: 6, count: 0, lines: [] })
    expect((await history(4)).lines).toEqual(['a5', 'a6'])
  })

  it('writes nothing at all when one key is of another type', async () => {
    await seed()
    await redis.set(`{${epoch}.3}:h:g1:b`, 'no stream')
    await expect(apply(1, 2, [entry(1, 1, 'a'), entry(2, 1, 'b')])).rejects.toThrow(/WRONGTYPE/)
    expect([await logIds(), (await meta())['last']]).toEqual([[], '0'])
  })

  it('announces only what is new, in runs without a hole, or that the partition has moved, or nothing', async () => {
    const subscriber = new Redis(inject('redisUrl'))
    const heard: string[] = []
    subscriber.on('message', (name: string, message: string) =>
      heard.push(`${name.split('}:')[1]} ${message}`),
    )
    await subscriber.subscribe(busChannel(epoch, 3, 'a'), busChannel(epoch, 3, 'b'), keys.notice)
    await seed()
    await apply(1, 2, entries(1, 2), 'none')
    await apply(2, 5, [entry(2), entry(3), entry(4, 1, 'b'), entry(5, 4)], 'lines')
    await apply(6, 9, [entry(6, 7), entry(7, 8), entry(9, 10)], 'lines')
    await apply(10, 10, [entry(10, 11)], 'notice')
    await apply(10, 10, [entry(10, 11)], 'lines')
    await expect.poll(() => heard.length).toBe(5)
    expect(heard).toEqual([
      'c:a 1 3 2\na3\na4',
      'c:b 1 1 1\nb1',
      'c:a 1 7 2\na7\na8',
      'c:a 1 10 1\na10',
      'notice 10',
    ])
    subscriber.disconnect()
  })

  it('keeps two epochs on one Redis apart', async () => {
    await seed()
    await apply(1, 3)
    const other = partitionKeys(`${epoch}x`, 3)
    const range = { from: 1, to: 1, entries: entries(1, 1) }
    expect((await scripts.applyRange(redis, other, range, keep, 'none')).code).toBe('unseeded')
    expect((await meta())['last']).toBe('3')
  })
})

describe('seeding', () => {
  it('is won by exactly one of those who try at once', async () => {
    const won = await Promise.all(Array.from({ length: 20 }, (_, i) => seed(`g${i}`, 7)))
    expect(won.filter(Boolean)).toHaveLength(1)
    expect(await meta()).toEqual({ gen: `g${won.indexOf(true)}`, floor: '7', last: '6', top: '0' })
    expect(await apply(7, 8)).toMatchObject({ code: 'applied', last: 8 })
  })

  it('is refused to who saw another generation, and abandons the old histories', async () => {
    await seed()
    await apply(1, 3)
    expect(await seed('g2', 2)).toBe(false)
    expect(await seed('g2', 2, 'g0')).toBe(false)
    expect(await seed('g2', 2, 'g1')).toBe(true)
    expect(await logIds()).toEqual([])
    expect(await history(0)).toMatchObject({ top: 0, count: 0 })
  })
})

describe('reading a history', () => {
  it('says yes only to what begins beside since, up and down', async () => {
    await seed('g1', 11)
    await apply(11, 300, entries(11, 300), 'none', { ...keep, historySize: 200 })
    expect((await history(100, { limit: 3 })).lines).toEqual(['a101', 'a102', 'a103'])
    expect((await history(104, { limit: 3, reverse: true })).lines).toEqual(['a103', 'a102', 'a101'])
    expect((await history(100, { limit: 150 })).lines).toHaveLength(150)
    expect(await history(99, { limit: 3 })).toMatchObject({ count: 0, top: 300 })
    expect((await history(104, { limit: 30, reverse: true })).lines).toEqual(['a103', 'a102', 'a101'])
    expect(await history(300)).toMatchObject({ count: 0, top: 300 })
    expect(await history(400)).toMatchObject({ count: 0, top: 300 })
    expect(await history(400, { reverse: true })).toMatchObject({ count: 0, top: 300 })
    expect(await history(0, { channel: 'none' })).toMatchObject({ count: 0, top: 0 })
  })

  it('ends a slice of large entries early and whole', async () => {
    await seed()
    const large = entries(1, 40).map(each => ({ ...each, line: 'x'.repeat(50_000) }))
    await apply(1, 40, large)
    const slice = await history(0)
    expect(slice.count).toBeGreaterThan(9)
    expect(slice.count).toBeLessThan(40)
    expect(slice.lines).toHaveLength(slice.count)
  })
})

it('survives a wipe between any two calls', async () => {
  const own = await startLocalRedis({ server: inject('redisServer') })
  const client = new Redis(own.url)
  const range = (from: number, to: number) => ({ from, to, entries: entries(from, to) })
  for (const wipeAfter of [0, 1, 2, 3]) {
    await client.flushall()
    const codes: string[] = []
    for (let step = 0; step < 4; step++) {
      if (step === 0) codes.push(String(await scripts.seedPartition(client, keys, '', 'g1', 1)))
      else codes.push((await scripts.applyRange(client, keys, range(step, step), keep, 'none')).code)
      if (step === wipeAfter) await client.flushall()
    }
    expect(codes).toEqual(
      ['true', 'applied', 'applied', 'applied'].map((code, i) => (i <= wipeAfter ? code : 'unseeded')),
    )
  }
  client.disconnect()
  await own.stop()
})
