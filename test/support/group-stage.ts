import { createGroups, type OpenTier, type SystemGroups } from '../../src/durable/index.ts'
import { createLogger } from '../../src/platform/index.ts'
import { type DurableNodes, durableNodes } from './durable-nodes.ts'
import type { TestLedger } from './ledger.ts'

/** Workers of consumer groups over one database and one Redis, and a table for what their handlers do. */
export interface GroupStage extends DurableNodes {
  /** The groups of another process, as its application would have them; closed at the end. */
  worker(options?: WorkerOptions): SystemGroups
  /** What handlers have recorded with `record`, in the order of the commits. */
  effects(group: string): Promise<readonly Effect[]>
  place(group: string, partition: number): Promise<Place>
}

export interface WorkerOptions {
  readonly tier?: OpenTier
  readonly leaseMs?: number
  readonly poolSize?: number
  readonly url?: string
  readonly orm?: boolean
}

export interface Effect {
  readonly channel: string
  readonly offset: number
  readonly type: string
}

export interface Place {
  readonly position: number
  readonly fence: number
  readonly holder: string | null
}

export async function groupStage(mirror: Parameters<typeof durableNodes>[0] = {}): Promise<GroupStage> {
  const nodes = await durableNodes(mirror)
  const { sql, url } = nodes.database
  await sql`
    create table public.effects (
      n bigint generated always as identity, "group" text, channel text, "offset" bigint, type text,
      unique ("group", channel, "offset"))`
  const workers: SystemGroups[] = []
  return {
    ...nodes,
    worker(options = {}) {
      const groups = createGroups({
        log: (options.tier ?? nodes.a).log,
        url: options.url ?? url,
        leaseMs: options.leaseMs ?? 2_000,
        poolSize: options.poolSize ?? 4,
        orm: options.orm ?? false,
        nodeName: `worker-${workers.length}`,
        logger: createLogger(process.env['HOLDFAST_TEST_LOG'] ?? 'silent'),
      })
      workers.push(groups)
      return groups
    },
    async effects(group) {
      return sql<Effect[]>`
        select channel, "offset", type from public.effects where "group" = ${group} order by n`
    },
    async place(group, partition) {
      const [row] = await sql<Place[]>`
        select position, fence, holder from holdfast.group_partitions
        where "group" = ${group} and partition = ${partition}`
      return row ?? { position: -1, fence: -1, holder: null }
    },
    async close() {
      await Promise.all(workers.map(groups => groups.close(0)))
      await nodes.close()
    },
  }
}

export interface OpenDelivery {
  readonly channel: string
  readonly offset: number
  readonly state: string
  readonly attempts: number
  readonly reason: string | null
}

/** What a group still owes, in order. */
export async function openDeliveries({ sql }: TestLedger, group: string): Promise<readonly OpenDelivery[]> {
  return sql<OpenDelivery[]>`
    select channel, "offset", state, attempts, reason from holdfast.deliveries
    where consumer = ${`group/${group}`} and state in ('waiting', 'retrying', 'parked')
    order by partition, position`
}
