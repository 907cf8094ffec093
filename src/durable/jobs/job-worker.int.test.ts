import { randomUUID } from 'node:crypto'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { expect, inject, it } from 'vitest'
import { createLogger } from '../../platform/index.ts'
import { JobWorker } from './job-worker.ts'
import { WorkerRedis } from './worker-redis.ts'

it('a worker that was replaced is ended with the one in its place, and what it has in hand is aborted', async () => {
  const logger = createLogger('silent')
  const redis = new WorkerRedis(inject('redisUrl'), 'test', logger)
  const client = new Redis(inject('redisUrl'))
  const place = { queue: 'replaced', prefix: `{${randomUUID()}}` }
  const begun = Promise.withResolvers<void>()
  const ends: unknown[] = []
  const worker = new JobWorker({
    ...place,
    redis: redis.redis,
    concurrency: 1,
    work: (_, signal) =>
      new Promise(resolve => {
        begun.resolve()
        signal.addEventListener('abort', () => {
          ends.push('aborted')
          resolve('ended')
        })
      }),
    failed: () => undefined,
    logger,
    timings: { lockMs: 30_000, stalledMs: 15_000 },
  })
  const queue = new Queue(place.queue, { connection: client, prefix: place.prefix })
  await queue.add('one', {})
  await begun.promise
  worker.restart()
  await worker.close(100)
  expect(ends).toEqual(['aborted'])
  expect(await queue.getActiveCount()).toBe(0)
  await queue.close()
  client.disconnect()
  redis.close()
})
