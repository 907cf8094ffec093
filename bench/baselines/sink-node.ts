// The process of a batch sink: an application with Holdfast as its library.
import { setTimeout as delay } from 'node:timers/promises'
import { bigint, pgSchema, text, uuid } from 'drizzle-orm/pg-core'
import { createHoldfast } from '../../src/app/index.ts'
import { eventData } from '../load/event-data.ts'
import { inGroups } from '../load/groups.ts'
import { answer } from '../stage/remote.ts'

export type SinkMode = 'ordered' | 'competing'
interface Services {
  readonly databaseUrl: string
  readonly redisUrl: string
}

const readings = pgSchema('bench').table('readings', {
  id: uuid().notNull(),
  channel: text().notNull(),
  n: bigint({ mode: 'number' }).notNull(),
  data: text().notNull(),
  at: bigint({ mode: 'number' }).notNull(),
})

function node({ databaseUrl, redisUrl }: Services) {
  return createHoldfast({
    redis: { url: redisUrl, prefix: 'sink' },
    postgres: { url: databaseUrl, poolSize: 2 },
    namespaces: { facts: { tier: 'durable' } },
    workers: { leaseMs: 1_000, poolSize: 4 },
    log: { level: 'warn' },
  })
}

async function fill(options: Services & { count: number; channels: number }): Promise<void> {
  const hf = await node(options)
  await inGroups(options.count, 1_000, async n => {
    await hf.append(`facts:${n % options.channels}`, 'Read', JSON.parse(eventData(n)))
  })
  await hf.close()
}

/** Writes the rows of so many events; returns rows per second, from the first event in hand to the last commit. */
async function drain(options: Services & { mode: SinkMode; count: number }): Promise<number> {
  const { mode, count } = options
  const hf = await node(options)
  let startedAt = 0
  const sink = hf.batchSink(mode, {
    mode,
    channels: 'facts:{id}',
    table: readings,
    row: ({ id, channel, offset, data, time }) => {
      startedAt ||= performance.now()
      return { id, channel, n: offset, data: JSON.stringify(data), at: time }
    },
  })
  await hf.work()
  while (sink.status().rows < count) await delay(2)
  const perSecond = (sink.status().rows * 1_000) / (performance.now() - startedAt)
  await hf.close()
  return perSecond
}

const handlers = { fill, drain }
export type SinkNodeHandlers = typeof handlers
answer(handlers)
