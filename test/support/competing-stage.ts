import { expect } from 'vitest'
import { createGroups, type SystemGroups } from '../../src/durable/groups/groups.ts'
import type { GroupOptions, Handler, OpenTier } from '../../src/durable/index.ts'
import { type PartitionKeys, partitionKeys } from '../../src/durable/mirror/keys.ts'
import { createLogger } from '../../src/platform/index.ts'
import { append, type DurableNodes, durableNodes } from './durable-nodes.ts'
import type { TcpProxy } from './tcp-proxy.ts'
import { until } from './until.ts'

export const group = 'receipts'
export const channels = Array.from({ length: 6 }, (_, n) => `order:${n}`)
/** Entries that the log keeps. */
export const logSize = 20
const leaseMs = 1_500

export interface WorkerOptions extends GroupOptions {
  readonly tier?: OpenTier
  /** Once the effect is written. */
  readonly after?: Handler
  readonly pattern?: string
}

export interface Effect {
  readonly worker: string
  readonly channel: string
  readonly offset: number
  readonly attempt: number
}

/** Two nodes, and workers of one competing group whose effects are rows in a table that takes duplicates. */
export class CompetingStage {
  readonly nodes: DurableNodes
  readonly workers: SystemGroups[] = []
  readonly proxies: TcpProxy[] = []

  private constructor(nodes: DurableNodes) {
    this.nodes = nodes
  }

  static async open(): Promise<CompetingStage> {
    const nodes = await durableNodes({ logSize })
    await nodes.database.sql`create table effects (worker text, channel text, "offset" int, attempt int)`
    return new CompetingStage(nodes)
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map(each => each.close(2_000)))
    await this.nodes.close()
    await Promise.all(this.proxies.map(proxy => proxy.close()))
  }

  /** A worker as a process would have it. */
  async worker(name: string, options: WorkerOptions = {}): Promise<SystemGroups> {
    const { tier = this.nodes.a, after, pattern = 'order:{id}', ...given } = options
    const groups = createGroups({
      log: tier.log,
      url: this.nodes.database.url,
      leaseMs,
      poolSize: 4,
      nodeName: name,
      logger: createLogger(process.env['HOLDFAST_TEST_LOG'] ?? 'silent'),
    })
    this.workers.push(groups)
    groups
      .group(group, {
        mode: 'competing',
        batchSize: 5,
        handlerTimeoutMs: 2_000,
        retryMs: { first: 20, most: 100 },
        ...given,
      })
      .on(pattern, '*', async (event, context) => {
        await context.tx`
          insert into effects values (${name}, ${event.channel}, ${event.offset}, ${context.attempt})`
        return after?.(event, context)
      })
    await groups.work()
    return groups
  }

  /** Has the workers leave everything where it is. */
  async pause(): Promise<void> {
    await this.nodes.database.sql`update holdfast.groups set paused = true where name = ${group}`
    await until('all have heard of it', () => this.workers.every(each => each.status()[0]?.paused))
  }

  async resume(): Promise<void> {
    await this.nodes.database.sql`update holdfast.groups set paused = false where name = ${group}`
  }

  async appendAll(each: number, tier: OpenTier = this.nodes.b): Promise<void> {
    await Promise.all(channels.map(channel => append(tier, channel, each, { atOnce: true })))
  }

  async effects(): Promise<Effect[]> {
    return this.nodes.database.sql`select * from effects order by channel, "offset"`
  }

  async deliveries(): Promise<{ state: string; attempts: number; reason: string; offset: number }[]> {
    return this.nodes.database.sql`
      select state, attempts, reason, "offset" from holdfast.deliveries where consumer = ${`group/${group}`}
      order by "offset"`
  }

  suppressed(): number {
    return this.workers.reduce((sum, each) => sum + (each.status()[0]?.suppressed ?? 0), 0)
  }

  keysOf(channel: string): PartitionKeys {
    return partitionKeys(this.nodes.epoch, this.nodes.bare.partitionOf(channel))
  }

  /** Waits until everything in the ledger is settled, and sees that every event had its effect exactly once. */
  async allOnce(each: number, of: readonly string[] = channels): Promise<void> {
    const wanted = of.flatMap(channel => Array.from({ length: each }, (_, i) => `${channel} ${i + 1}`)).sort()
    const had = async () => (await this.effects()).map(({ channel, offset }) => `${channel} ${offset}`).sort()
    await until('every event has its effect', async () => (await had()).length >= wanted.length, 25_000)
    await this.allSettled()
    expect(await had()).toEqual(wanted)
  }

  async allSettled(): Promise<void> {
    const { sql } = this.nodes.database
    const reached = async () => {
      const [row] = await sql<{ behind: number }[]>`
        select count(*) as behind from holdfast.group_partitions
        where "group" = ${group} and position < holdfast.partition_head(partition)`
      return row?.behind === 0
    }
    await until('the floors have reached the heads', reached, 25_000)
    expect([...(await sql`select * from holdfast.group_settled`)]).toEqual([])
  }
}
