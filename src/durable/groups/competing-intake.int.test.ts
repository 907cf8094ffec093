import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { newEventId } from '../../domain/index.ts'
import { createLogger } from '../../platform/index.ts'
import { entryOf } from '../mirror/entry.ts'
import { partitionKeys } from '../mirror/keys.ts'
import { LogRedis } from '../mirror/log-redis.ts'
import { MirrorScripts } from '../mirror/scripts.ts'
import { Intake } from './competing-intake.ts'
import { GroupStream } from './competing-stream.ts'

const epoch = randomBytes(5).toString('hex')
const partition = 3
const place = { epoch, partition }
let redis: Redis
let log: LogRedis

beforeAll(async () => {
  redis = new Redis(inject('redisUrl'))
  log = new LogRedis(inject('redisUrl'), 'test-intake', createLogger('silent'))
  await log.connected(5_000)
})
afterAll(() => {
  log?.close()
  redis?.disconnect()
})

async function fill(to: number): Promise<void> {
  const scripts = new MirrorScripts()
  const keys = partitionKeys(epoch, partition)
  await scripts.seedPartition(redis, keys, '', 'g1', 1)
  const entries = Array.from({ length: to }, (_, i) =>
    entryOf({
      ...{ partition, position: i + 1, channel: 'a:1', offset: i + 1, id: newEventId() },
      ...{ type: 'T', data: '1', meta: null, time: 1 },
    }),
  )
  const keep = { logSize: 100, historySize: 0, historyTtlMs: 1_000 }
  expect((await scripts.applyRange(redis, keys, { from: 1, to, entries }, keep, 'none')).code).toBe('applied')
}

describe('what the log has handed out', () => {
  it('comes again as often as it is doubted, also behind where a pass over it has come to', async () => {
    await fill(4)
    const stream = new GroupStream(log, 'group', 'a')
    await stream.create(place, 0)
    const taken: number[] = []
    const intake = new Intake({
      stream,
      epoch: () => epoch,
      accept: async (_, events) => void taken.push(...events.map(({ position }) => position)),
      noGroup: () => undefined,
    })
    const sweep = () => intake.sweep(partition + 1)
    /** One event at a time, as a group without batches reads. */
    const all = async () => {
      taken.length = 0
      while (intake.hasWork) await intake.read(1, 1)
      return taken
    }
    sweep()
    expect(await all()).toEqual([1, 2, 3, 4])

    // None could be settled. Of the next pass the first comes, and fails again while the others have not come yet.
    intake.doubt(partition)
    sweep()
    taken.length = 0
    while (taken.length === 0) await intake.read(1, 1)
    expect(taken).toEqual([1])
    intake.doubt(partition)
    sweep()
    expect(await all()).toEqual([2, 3, 4])
    sweep()
    expect(await all()).toEqual([1, 2, 3, 4])

    // It fails while the answer with the next one is under way.
    intake.doubt(partition)
    sweep()
    while (taken.length < 5) await intake.read(1, 1)
    const under = intake.read(1, 1)
    intake.doubt(partition)
    sweep()
    await under
    await all()
    sweep()
    expect(await all()).toEqual([1, 2, 3, 4])

    await stream.acknowledge(place, [1, 2, 4])
    intake.doubt(partition)
    sweep()
    expect(await all()).toEqual([3])
    sweep()
    expect(await all()).toEqual([])
  })
})
