import { setTimeout as delay } from 'node:timers/promises'
import { connectPostgres } from '../../../src/platform/index.ts'
import { redisCommands } from '../../support/read-counts.ts'
import { seeded } from '../../support/seeded.ts'
import { type Returning, startStorm } from '../../support/storm.ts'
import { token } from '../holdfast/config.ts'
import type { NodeProcess, Running, Stage } from '../types.ts'
import { api } from './api.ts'
import { askRedis } from './ask-redis.ts'

const sessions = 1_000
const channels = 20
const events = 100
const largestGap = 40

/** How long a node hands a page on that it has read. */
const pageLifeS = 5
/** What two nodes, two workers and the traffic ask Redis and the ledger for in a second, herd or not, with room to spare. */
const usualPerS = { scripts: 600, rows: 6_000 }

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
  const began = performance.now()
  const before = await counts(stage)
  const storm = await startStorm(node.port, returning, await token('herd'))
  const stormS = (performance.now() - began) / 1_000
  const after = await counts(stage)
  const seconds = (performance.now() - began) / 1_000
  // What one reads all others of its channel have, as long as a page lives.
  const often = 1 + Math.ceil(stormS / pageLifeS)
  expectAtMost('scripts of Redis', after.scripts - before.scripts, [
    often * channels * largestGap + 2 * channels,
    usualPerS.scripts * seconds,
  ])
  expectAtMost('rows of the ledger', after.rows - before.rows, [
    often * channels * largestGap + 4 * channels,
    usualPerS.rows * seconds,
  ])
  return () => storm.end()
}

async function write(node: NodeProcess, names: readonly string[]): Promise<void> {
  await Promise.all(
    names.map(async channel => {
      for (let n = 1; n <= events; n += 20)
        await Promise.all(
          Array.from({ length: 20 }, (_, i) =>
            api(node, 'publish', { channel, data: { value: `${channel}/${n + i}` } }),
          ),
        )
    }),
  )
}

/** Sessions of Postgres report what they have counted after a second. */
async function counts({ redis, postgres }: Stage): Promise<{ scripts: number; rows: number }> {
  await delay(1_100)
  const commands = await askRedis(redis, redisCommands)
  const sql = connectPostgres(postgres.directUrl, { max: 1, applicationName: 'chaos-checker' })
  try {
    const [row] = await sql<{ rows: number }[]>`
      select t.seq_tup_read + t.idx_tup_fetch as rows from pg_stat_user_tables as t
      where t.schemaname = 'holdfast' and t.relname = 'events'`
    return { scripts: (commands['evalsha'] ?? 0) + (commands['eval'] ?? 0), rows: Number(row?.rows) }
  } finally {
    await sql.end({ timeout: 1 })
  }
}

function expectAtMost(what: string, count: number, parts: readonly number[]): void {
  const most = parts.reduce((sum, part) => sum + part, 0)
  if (count > most)
    throw new Error(`a herd of ${sessions} has cost ${count} ${what}, more than ${Math.round(most)}`)
}
