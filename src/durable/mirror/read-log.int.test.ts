import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, beforeEach, expect, inject, it } from 'vitest'
import { until } from '../../../test/support/until.ts'
import type { Entry } from './entry.ts'
import { type PartitionKeys, partitionKeys } from './keys.ts'
import { MirrorScripts } from './scripts.ts'

const redis = new Redis(inject('redisUrl'))
const listener = new Redis(inject('redisUrl'))
const scripts = new MirrorScripts()
let keys: PartitionKeys

beforeEach(async () => {
  keys = partitionKeys(randomBytes(5).toString('hex'), 3)
  await scripts.seedPartition(redis, keys, '', 'g1', 1)
})
afterAll(() => {
  redis.disconnect()
  listener.disconnect()
})

const entry = (position: number, line = `line ${position}`): Entry => ({
  partition: 3,
  position,
  channel: 'a:é',
  offset: position + 10,
  line,
})
const entries = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => entry(from + i))
const apply = (from: number, to: number, list = entries(from, to), logSize = 1_000) =>
  scripts.applyRange(
    redis,
    keys,
    { from, to, entries: list },
    { logSize, historySize: 0, historyTtlMs: 1_000 },
    'none',
  )
const read = async (from: number, limit = 1_000, maxBytes = 1_000_000) => {
  const slice = await scripts.readLog(redis, keys, { from, limit, maxBytes })
  return { ...slice, entries: slice.entries.map(({ position }) => position) }
}

it('reads entries as they were written, with what the log covers', async () => {
  await apply(1, 3)
  const slice = await scripts.readLog(redis, keys, { from: 2, limit: 10, maxBytes: 1_000 })
  const written = entries(2, 3).map(({ partition, ...rest }) => rest)
  expect(slice).toEqual({ gen: 'g1', floor: 1, last: 3, entries: written })
})

it('keeps beside an entry where it is traced, and announces that with it', async () => {
  const trace = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`
  const list = entries(1, 3).map(each => (each.position === 2 ? { ...each, trace } : each))
  const heard: string[] = []
  listener.on('message', (_, message) => heard.push(message))
  await listener.subscribe(`${keys.meta.slice(0, -4)}c:a:é`)
  const keep = { logSize: 10, historySize: 10, historyTtlMs: 1_000 }
  await scripts.applyRange(redis, keys, { from: 1, to: 3, entries: list }, keep, 'lines')
  const slice = await scripts.readLog(redis, keys, { from: 1, limit: 10, maxBytes: 1_000 })
  expect(slice.entries.map(each => each.trace)).toEqual([undefined, trace, undefined])
  // The release before reads the fields by their place.
  expect(await redis.xrange(keys.log, '2', '2')).toEqual([
    ['2-0', ['c', 'a:é', 'o', '12', 'l', 'line 2', 't', trace]],
  ])
  await until('it is announced', () => heard.length > 0)
  expect(heard).toEqual([`1 11 3 12:${trace}\nline 1\nline 2\nline 3`])
})

it('reads no more than it was asked for', async () => {
  await apply(1, 400)
  expect((await read(1, 300)).entries).toHaveLength(300)
  expect((await read(1, 1_000, 100)).entries).toHaveLength(16)
  expect((await read(399)).entries).toEqual([399, 400])
})

it('says nothing where it is not whole from the asked position on', async () => {
  await apply(1, 30, [...entries(1, 10), ...entries(15, 30)])
  expect((await read(5)).entries).toEqual([5, 6, 7, 8, 9, 10])
  expect(await read(11)).toEqual({ gen: 'g1', floor: 1, last: 30, entries: [] })
  expect((await read(15)).entries).toHaveLength(16)
  expect(await read(31)).toMatchObject({ last: 30, entries: [] })
})

it('says nothing below its floor, of a log that was evicted, and of a partition without a mirror', async () => {
  await apply(1, 30, entries(1, 30), 10)
  expect(await read(15)).toEqual({ gen: 'g1', floor: 21, last: 30, entries: [] })
  expect((await read(21)).entries).toHaveLength(10)
  await redis.del(keys.log)
  expect(await read(25)).toMatchObject({ last: 30, entries: [] })
  await redis.del(keys.meta)
  expect(await read(1)).toEqual({ gen: '', floor: 0, last: 0, entries: [] })
})

it('is announced with its last position after each range, and not for what was there already', async () => {
  const heard: string[] = []
  await listener.subscribe(keys.news)
  listener.on('message', (channel, message) => {
    if (channel === keys.news) heard.push(message)
  })
  await apply(1, 3)
  await apply(2, 3)
  await apply(4, 9, [])
  await until('both were heard', () => heard.length >= 2)
  expect(heard).toEqual(['3', '9'])
})
