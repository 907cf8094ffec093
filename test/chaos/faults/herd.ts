import { setTimeout as delay } from 'node:timers/promises'
import { connectPostgres } from '../../../src/platform/index.ts'
import { redisCommands } from '../../support/read-counts.ts'
import { seeded } from '../../support/seeded.ts'
import { type Returning, startStorm } from '../../support/storm.ts'
import { token } from '../holdfast/config.ts'
import type { NodeProcess, Running, Stage } from '../types.ts'
import { api } from './api.ts'
import { askRedis } from './ask-redis.ts'

const sessions = 3_000
const channels = 20
const events = 100
const largestGap = 40

/** How long a node hands a page on that it has read. */
const pageLifeS = 5
/** So much more than just before may two nodes, two workers and the traffic ask for beside the herd. */
const swing = 1.5

/**
 * Writes a past, lets a herd of raw sockets come back to one node, each after a place of its own, and counts what that
 * has read: in proportion to what they missed, and to the channels, never to the sessions times what others wrote.
 * @throws Error where a session got anything but what it had missed, or where more was read
 */
export async function herd(stage: Stage, { nodes: [node] }: Running): Promise<() => Promise<void>> {
  if (node?.port === undefined) return async () => undefined
  const names = Array.from({ length: channels }, (_, i) => `past:herd-${node.pid}-${Date.now()}-${i}`)
  await write(node, names)
  const random = seeded(node.pid)
  const returning = Array.from({ length: sessions }, (): Returning => {
    const channel = names[Math.floor(random() * channels)] ?? ''
    return { channel, since: events - Math.floor(random() * (largestGap + 1)), head: events }
  })
  // The groups have passed by what was just written.
  await delay(2_000)
  const earlier = await counts(stage)
  // Sessions report once a second: over a shorter time what is usual would be left to chance.
  await delay(3_000)
  const before = await counts(stage)
  const beforeS = (before.at - earlier.at) / 1_000
  const usual = {
    scripts: (swing * (before.scripts - earlier.scripts)) / beforeS,
    rows: (swing * (before.rows - earlier.rows)) / beforeS,
  }
  const began = performance.now()
  const storm = await startStorm(node.port, returning, await token('herd'))
  const stormS = (performance.now() - began) / 1_000
  const after = await counts(stage)
  const seconds = (after.at - before.at) / 1_000
  // What one reads all others of its channel have, as long as a page lives.
  const often = 1 + Math.ceil(stormS / pageLifeS)
  expectAtMost('scripts of Redis', after.scripts - before.scripts, [
    often * channels * largestGap + 2 * channels,
    usual.scripts * seconds,
  ])
  expectAtMost('rows of the ledger', after.rows - before.rows, [
    often * channels * largestGap + 4 * channels,
    usual.rows * seconds,
  ])
  return () => storm.end()
}

async function write(node: NodeProcess, names: readonly string[]): Promise<void> {
  await Promise.all(
    names.map(async channel => {
      for (let n = 1; n <= events; n += 20)
        await Promise.all(
          Array.from({ length: 20 }, (_, i) => {
            const value = `${channel}/${n + i}`
            return api(node, 'publish', { channel, data: { value }, idempotency_key: value })
          }),
        )
    }),
  )
}

interface Counts {
  readonly scripts: number
  readonly rows: number
  readonly at: number
}

/** Sessions of Postgres report what they have counted after a second. */
async function counts({ redis, postgres }: Stage): Promise<Counts> {
  await delay(1_100)
  const commands = await askRedis(redis, redisCommands)
  const sql = connectPostgres(postgres.directUrl, { max: 1, applicationName: 'chaos-checker' })
  try {
    const [row] = await sql<{ rows: number }[]>`
      select t.seq_tup_read + t.idx_tup_fetch as rows from pg_stat_user_tables as t
      where t.schemaname = 'holdfast' and t.relname = 'events'`
    const scripts = (commands['evalsha'] ?? 0) + (commands['eval'] ?? 0)
    return { scripts, rows: Number(row?.rows), at: performance.now() }
  } finally {
    await sql.end({ timeout: 1 })
  }
}

function expectAtMost(what: string, count: number, parts: readonly number[]): void {
  const most = parts.reduce((sum, part) => sum + part, 0)
  if (count > most)
    throw new Error(`a herd of ${sessions} has cost ${count} ${what}, more than ${Math.round(most)}`)
}
