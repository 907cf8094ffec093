import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { type TcpProxy, tcpProxy } from '../../../test/support/tcp-proxy.ts'
import { until } from '../../../test/support/until.ts'
import { createLogger } from '../../platform/index.ts'
import { partitionKeys } from '../mirror/keys.ts'
import { LogRedis } from '../mirror/log-redis.ts'
import { MirrorScripts } from '../mirror/scripts.ts'
import { GroupStream, type LogPlace } from './competing-stream.ts'

const redis = new Redis(inject('redisUrl'))
const scripts = new MirrorScripts()
const open: LogRedis[] = []
let proxy: TcpProxy
let place: LogPlace
let a: GroupStream
let b: GroupStream

beforeEach(async () => {
  proxy = await tcpProxy(inject('redisUrl'))
  place = { epoch: randomBytes(5).toString('hex'), partition: 3 }
  a = await consumer('a')
  b = await consumer('b')
})
afterEach(async () => {
  for (const each of open.splice(0)) each.close()
  await proxy.close()
})
afterAll(() => redis.disconnect())

async function consumer(name: string, url = inject('redisUrl')): Promise<GroupStream> {
  const log = new LogRedis(url, `test-${name}`, createLogger('silent'))
  open.push(log)
  await log.connected(5_000)
  return new GroupStream(log, 'group', name)
}

const keys = () => partitionKeys(place.epoch, place.partition)

async function fill(from: number, to: number, logSize = 100): Promise<void> {
  if (from === 1) await scripts.seedPartition(redis, keys(), '', 'g1', 1)
  const entries = Array.from({ length: to - from + 1 }, (_, i) => ({
    partition: 3,
    position: from + i,
    channel: 'a:1',
    offset: from + i,
    line: `line ${from + i} ä`,
  }))
  const keep = { logSize, historySize: 0, historyTtlMs: 1_000 }
  const { code } = await scripts.applyRange(redis, keys(), { from, to, entries }, keep, 'none')
  expect(code).toBe('applied')
}

async function read(stream: GroupStream, count = 10): Promise<readonly number[]> {
  const reading = await stream.readNew(place, count)
  if (reading.kind === 'no_group') throw new Error('no group')
  return reading.entries.map(entry => entry.position)
}

const positions = ({ entries }: { entries: readonly { position: number }[] }) =>
  entries.map(entry => entry.position)

describe('a group in the log', () => {
  it('begins above the floor that it is made at, and hands each entry to one', async () => {
    await fill(1, 6)
    expect(await a.create(place, 2)).toBe('created')
    expect(await b.create(place, 5)).toBe('there')
    expect(await a.readNew(place, 1)).toEqual({
      kind: 'read',
      entries: [{ partition: 3, position: 3, channel: 'a:1', offset: 3, line: 'line 3 ä' }],
      gone: [],
    })
    expect(await read(b, 2)).toEqual([4, 5])
    expect(await read(a)).toEqual([6])
    expect(await read(a)).toEqual([])
  })

  it('makes no log where there is none', async () => {
    expect(await a.create(place, 0)).toBe('no_log')
    expect(await a.readNew(place, 1)).toEqual({ kind: 'no_group' })
    expect(await a.consumers(place)).toEqual([])
    expect(await a.claimFrom(place, 'b', 10)).toEqual({ entries: [], gone: [] })
    expect(await a.claimIdle(place, 0, 0, 10)).toEqual({ entries: [], gone: [], next: 0 })
    await a.forget(place, 'b')
    expect(await a.logFloor(place)).toBeUndefined()
    expect(await redis.exists(keys().log)).toBe(0)
  })

  it('is unknown after the log was seeded anew', async () => {
    await fill(1, 3)
    await a.create(place, 0)
    await scripts.seedPartition(redis, keys(), 'g1', 'g2', 1)
    expect(await a.readNew(place, 1)).toEqual({ kind: 'no_group' })
    expect(await a.readPending(place, 0, 1)).toEqual({ kind: 'no_group' })
    expect(await a.create(place, 0)).toBe('no_log')
  })

  it('keeps what an answer that was lost has handed out', async () => {
    await fill(1, 4)
    await a.create(place, 0)
    const cut = await consumer('cut', proxy.through(inject('redisUrl')))
    proxy.loseAnswers()
    await expect(read(cut, 2)).rejects.toMatchObject({ code: /DEPENDENCY_/ })
    proxy.answerAgain()
    await until('it is connected again', () => cut.reachable)
    expect(await read(cut)).toEqual([3, 4])
    const own = await cut.readPending(place, 0, 10)
    expect(own.kind === 'read' && positions(own)).toEqual([1, 2, 3, 4])
    await cut.acknowledge(place, [1, 2, 3])
    const rest = await cut.readPending(place, 0, 10)
    expect(rest.kind === 'read' && positions(rest)).toEqual([4])
  })

  it('says which pending entries were trimmed', async () => {
    await fill(1, 4)
    await a.create(place, 0)
    await read(a, 3)
    await fill(5, 7, 4)
    expect(await a.logFloor(place)).toBe(4)
    expect(await a.readPending(place, 0, 10)).toEqual({ kind: 'read', entries: [], gone: [1, 2, 3] })
    expect(await b.claimIdle(place, 0, 0, 10)).toEqual({ entries: [], gone: [1, 2, 3], next: 0 })
    expect(await read(b)).toEqual([4, 5, 6, 7])
  })

  it('hands what is pending to somebody else: what is idle, page by page, or what one consumer had', async () => {
    await fill(1, 6)
    await a.create(place, 0)
    await read(a, 4)
    expect(positions(await b.claimIdle(place, 60_000, 0, 10))).toEqual([])
    const first = await b.claimIdle(place, 0, 0, 3)
    expect(positions(first)).toEqual([1, 2, 3])
    expect(positions(await b.claimIdle(place, 0, first.next, 3))).toEqual([4])
    expect(positions(await a.claimFrom(place, 'b', 2))).toEqual([1, 2])
    expect(await a.consumers(place)).toEqual([
      { name: 'a', pending: 2 },
      { name: 'b', pending: 2 },
    ])
  })

  it('forgets only a consumer that has nothing pending', async () => {
    await fill(1, 2)
    await a.create(place, 0)
    await read(a, 1)
    await b.forget(place, 'a')
    expect(await b.consumers(place)).toEqual([{ name: 'a', pending: 1 }])
    await a.acknowledge(place, [1])
    await b.forget(place, 'a')
    expect(await b.consumers(place)).toEqual([])
  })
})
