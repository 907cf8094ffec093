import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { createLogger } from '../../platform/index.ts'
import { LossWatch } from '../ledger/loss-watch.ts'
import { PartitionFill } from './fill.ts'
import { lossKey, partitionKeys } from './keys.ts'
import { LogRedis } from './log-redis.ts'
import { LossRecord } from './loss-record.ts'
import { mirrorDefaults, PartitionMirrors } from './partition-mirror.ts'

const redis = new Redis(inject('redisUrl'))
let database: TestLedger
let log: LogRedis
beforeAll(async () => {
  database = await testLedger()
  log = new LogRedis(inject('redisUrl'), 'test-log', createLogger('silent'))
  await log.connected(5_000)
})
afterAll(async () => {
  log.close()
  redis.disconnect()
  await database.close()
})

describe('a fill', () => {
  let channel: string
  let partition: number
  let mirrors: PartitionMirrors
  const logSize = 20
  beforeEach(() => {
    const [ledger] = database.ledgers
    mirrors = new PartitionMirrors(log, () => ledger.epoch, { ...mirrorDefaults, logSize })
    channel = `order:${randomUUID()}`
    partition = ledger.partitionOf(channel)
  })
  const append = async (count: number) => {
    const [ledger] = database.ledgers
    for (let n = 0; n < count; n++)
      await ledger.append({ channel, type: 'T', data: `${n}`, id: randomUUID() })
    return (await ledger.partitionHeads([partition])).get(partition) ?? 0
  }
  const fill = () => new PartitionFill(database.ledgers[0], mirrors, 'me')
  const positions = async () =>
    (await redis.xrange(partitionKeys(mirrors.epoch, partition).log, '-', '+')).map(([id]) =>
      Number.parseInt(id, 10),
    )

  it('is one node’s, which alone can keep or end its lease', async () => {
    expect(await mirrors.lease(partition, 'me', 60_000)).toBe(true)
    expect(await mirrors.lease(partition, 'other', 60_000)).toBe(false)
    const { lease } = partitionKeys(mirrors.epoch, partition)
    await redis.pexpire(lease, 10_000)
    await mirrors.renew(partition, 'other', 60_000)
    expect(await redis.pttl(lease)).toBeLessThanOrEqual(10_000)
    await mirrors.release(partition, 'other')
    expect(await redis.get(lease)).toBe('me')
    await mirrors.renew(partition, 'me', 60_000)
    expect(await redis.pttl(lease)).toBeGreaterThan(10_000)
    await mirrors.release(partition, 'me')
    expect(await mirrors.lease(partition, 'other', 60_000)).toBe(true)
    await mirrors.release(partition, 'other')
  })

  it('does the little that is missing although whoever has the lease stands still, and leaves much to it', async () => {
    const first = await append(1)
    expect(await fill().run(partition)).toBeGreaterThanOrEqual(first)
    await mirrors.lease(partition, 'other', 60_000)
    const little = await append(3)
    expect(await fill().run(partition)).toBe(little)
    expect((await mirrors.state(partition))?.last).toBe(little)
    await append(101)
    expect(await fill().run(partition)).toBeUndefined()
    expect((await mirrors.state(partition))?.last).toBe(little)
    await mirrors.release(partition, 'other')
  })

  it('begins the log anew where it lies further behind than the log is long', async () => {
    await append(2)
    await fill().run(partition)
    const before = await mirrors.state(partition)
    const head = await append(logSize + 30)
    expect(await fill().run(partition)).toBe(head)
    const after = await mirrors.state(partition)
    expect(after?.last).toBe(head)
    expect(after?.gen).not.toBe(before?.gen)
    const kept = await positions()
    expect(kept.at(-1)).toBe(head)
    expect(Number(kept[0])).toBeGreaterThan(before?.last ?? 0)
  })
})

describe('the record of a loss', () => {
  const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
  const watching = (epoch: string, own: Record<number, number>) => {
    const watch = new LossWatch(epoch, 'first')
    for (const [partition, position] of Object.entries(own))
      watch.stored(epoch, Number(partition), position, id(position))
    return watch
  }
  const seeLoss = (watch: LossWatch, heads: Record<number, number>) =>
    watch.compare(watch.known(), {
      server: 'first',
      heads: new Map(Object.entries(heads).map(([partition, head]) => [Number(partition), head])),
    })

  it('keeps the highest positions and the first witness of each partition, whoever writes last', async () => {
    const epoch = randomUUID()
    const record = new LossRecord(log)
    expect(await record.read(epoch)).toBeUndefined()
    const one = watching(epoch, { 1: 10, 2: 5 })
    const other = watching(epoch, { 1: 14, 3: 7 })
    seeLoss(one, { 1: 8 })
    seeLoss(other, { 1: 8, 3: 2 })
    await record.write(epoch, 'first', one)
    await record.write(epoch, 'second', other)
    await record.write(epoch, 'third', one)
    const read = await record.read(epoch)
    expect(read?.server).toBe('third')
    expect(Object.fromEntries(read?.heads ?? [])).toEqual({ 1: 14, 2: 5, 3: 7 })
    expect(read?.missed.get(1)).toEqual({ head: 8, witness: { position: 10, id: id(10) } })
    expect(read?.missed.get(3)).toEqual({ head: 2, witness: { position: 7, id: id(7) } })
    expect(await redis.pttl(lossKey(epoch))).toBeGreaterThan(0)
  })

  it('takes a witness where it had none, and is only taken back for the server that it names', async () => {
    const epoch = randomUUID()
    const record = new LossRecord(log)
    const blind = new LossWatch(epoch, 'first')
    blind.learn(epoch, 4, 9)
    seeLoss(blind, { 4: 6 })
    await record.write(epoch, 'first', blind)
    expect((await record.read(epoch))?.missed.get(4)).toEqual({ head: 6 })
    const seeing = watching(epoch, { 4: 9 })
    seeLoss(seeing, { 4: 6 })
    await record.write(epoch, 'second', seeing)
    expect((await record.read(epoch))?.missed.get(4)?.witness).toEqual({ position: 9, id: id(9) })
    await record.remove(epoch, 'first')
    expect((await record.read(epoch))?.server).toBe('second')
    await record.remove(epoch, 'second')
    expect(await record.read(epoch)).toBeUndefined()
  })
})
