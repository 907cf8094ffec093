import { openRedis, type RedisConnection, type RedisTarget, type Sql } from '../platform/index.ts'

export interface LedgerReport {
  readonly epoch: string
  readonly partitions: number
  readonly created: string
  /** Recorded ever, retention's removals included: the sum of the partitions' heads. */
  readonly events: number
  readonly bytes: number
  readonly channels: readonly {
    readonly channel: string
    readonly head: number
    readonly partition: number
  }[]
  /** Undefined where no Redis was asked. */
  readonly mirror?: MirrorReport | { readonly unreachable: string }
}

export interface MirrorReport {
  /** Partitions that have events and a mirror. */
  readonly mirrored: number
  readonly withoutMirror: number
  /** Events that the mirror does not have yet. */
  readonly lag: number
  /** Partitions whose mirror knows more than the ledger: the ledger has lost events. */
  readonly ahead: number
  /** Nodes have written down that the ledger has lost events; the mirror may have been wiped since. */
  readonly lossFound: boolean
  /** The first partitions whose mirror is behind or ahead, or of which nodes knew more, by number. */
  readonly uneven: readonly UnevenPartition[]
}

export interface UnevenPartition {
  readonly partition: number
  readonly mirror: number | null
  /** The highest position that nodes knew of when they found a loss. */
  readonly known: number | null
  /** In the ledger. */
  readonly head: number
}

const mostUneven = 20
const connectWithinMs = 3_000

/** Reads what `holdfast ledger status` shows; costs an index look-up per partition and per channel. */
export async function ledgerReport(
  sql: Sql,
  options: { channels: number; redis: RedisTarget | undefined },
): Promise<LedgerReport> {
  const [row] = await sql<{ epoch: string; partitions: number; created: Date; bytes: string }[]>`
    select epoch, partitions, created, pg_total_relation_size('holdfast.events') as bytes from holdfast.ledger`
  if (!row) throw new Error('the ledger has no row: was its migration applied?')
  // The mirror's places before the heads: what is committed in between makes a lag, and never looks like a loss.
  const { redis } = options
  const places = redis === undefined ? undefined : await mirrorPlaces(redis, row.epoch, row.partitions)
  const heads = await partitionHeads(sql)
  return {
    epoch: row.epoch,
    partitions: row.partitions,
    created: row.created.toISOString(),
    events: [...heads.values()].reduce((sum, head) => sum + head, 0),
    bytes: Number(row.bytes),
    channels: await longestChannels(sql, options.channels),
    ...(places && { mirror: 'lasts' in places ? mirrorReport(places, heads) : places }),
  }
}

async function partitionHeads(sql: Sql): Promise<Map<number, number>> {
  const rows = await sql<{ partition: number; head: string }[]>`
    select p as partition, greatest(
      coalesce((select position from holdfast.events where partition = p order by position desc limit 1), 0),
      coalesce((select head from holdfast.partition_floor where partition = p), 0)) as head
    from holdfast.ledger, generate_series(0, partitions - 1) as p`
  return new Map(rows.map(({ partition, head }) => [partition, Number(head)]))
}

/** Steps from channel to channel through the index instead of reading every event. */
async function longestChannels(sql: Sql, limit: number): Promise<LedgerReport['channels']> {
  const rows = await sql<{ channel: string; partition: number; head: string }[]>`
    with recursive each as (
      (select partition, channel from holdfast.events order by partition, channel limit 1)
      union all
      select next.partition, next.channel from each cross join lateral (
        select e.partition, e.channel from holdfast.events e
        where (e.partition, e.channel) > (each.partition, each.channel)
        order by e.partition, e.channel limit 1) as next
    )
    select partition, channel, (
      select "offset" from holdfast.events e where e.partition = each.partition and e.channel = each.channel
      order by "offset" desc limit 1) as head
    from each order by head desc, channel limit ${limit}`
  return rows.map(({ channel, partition, head }) => ({ channel, head: Number(head), partition }))
}

interface MirrorPlaces {
  /** The last position that each partition's mirror has; null where there is no mirror. */
  readonly lasts: readonly (number | null)[]
  readonly lossFound: boolean
  /** By partition, what nodes have written down with a loss. */
  readonly known: ReadonlyMap<number, number>
}

async function mirrorPlaces(
  target: RedisTarget,
  epoch: string,
  partitions: number,
): Promise<MirrorPlaces | { unreachable: string }> {
  const redis = openRedis(target, 'command', 'holdfast-ledger-status')
  try {
    await connected(redis)
    const lasts = await Promise.all(
      Array.from({ length: partitions }, (_, partition) =>
        redis.client.hget(`{${epoch}.${partition}}:meta`, 'last'),
      ),
    )
    const loss = Object.entries(await redis.client.hgetall(`{${epoch}}:lost`))
    const known = loss.filter(([field]) => /^\d+$/.test(field))
    return {
      lasts: lasts.map(last => (last === null ? null : Number(last))),
      lossFound: loss.length > 0,
      known: new Map(known.map(([partition, position]) => [Number(partition), Number(position)])),
    }
  } catch (error) {
    return { unreachable: error instanceof Error ? error.message : String(error) }
  } finally {
    redis.close()
  }
}

/** It connects in the background and for ever; here the first failure is an answer. */
function connected(redis: RedisConnection): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`not connected within ${connectWithinMs} ms`)),
      connectWithinMs,
    )
    redis.onReady(resolve)
    redis.client.once('error', reject)
    redis.onReady(() => clearTimeout(timer))
    redis.client.once('error', () => clearTimeout(timer))
  })
}

function mirrorReport(
  { lasts: places, lossFound, known }: MirrorPlaces,
  heads: ReadonlyMap<number, number>,
): MirrorReport {
  const lags = places.flatMap((last, partition) => (last === null ? [] : (heads.get(partition) ?? 0) - last))
  const compared = [...heads].map(([partition, head]) => ({
    partition,
    mirror: places[partition] ?? null,
    known: known.get(partition) ?? null,
    head,
  }))
  const uneven = compared.filter(
    ({ mirror, known, head }) => (mirror ?? head) !== head || (known ?? 0) > head,
  )
  const used = [...heads].filter(([, head]) => head > 0)
  return {
    mirrored: lags.length,
    withoutMirror: used.filter(([partition]) => (places[partition] ?? null) === null).length,
    lag: lags.reduce((sum, lag) => sum + Math.max(0, lag), 0),
    ahead: lags.filter(lag => lag < 0).length,
    lossFound,
    uneven: uneven.slice(0, mostUneven),
  }
}
