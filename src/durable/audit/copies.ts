import type { StoredEvent } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import { textArray } from '../ledger/array-literal.ts'
import { readChannel } from '../ledger/reads.ts'
import { eventLine } from '../mirror/entry.ts'
import type { LogRedis } from '../mirror/log-redis.ts'
import type { PartitionMirrors } from '../mirror/partition-mirror.ts'
import type { Window } from './numbering.ts'
import type { Difference, LostEvent } from './types.ts'

/** The end of a partition's log. */
export type LogEnd = readonly LogEntry[]

interface LogEntry {
  readonly position: number
  readonly channel: string
  readonly offset: number
  readonly line: string
}

/** Of one channel's history in each partition and pass. */
const historyEvents = 20

/** The newest entries in ascending order, whether or not there are holes between them, which readers would not accept. */
export async function readLogEnd(
  redis: LogRedis,
  mirrors: PartitionMirrors,
  partition: number,
  limit: number,
): Promise<LogEnd> {
  const { log } = mirrors.keys(partition)
  const entries = await redis.call(client => client.xrevrange(log, '+', '-', 'COUNT', limit))
  return entries.reverse().map(([id, fields]) => ({
    position: Number.parseInt(id, 10),
    channel: fields[1] ?? '',
    offset: Number(fields[3]),
    line: fields[5] ?? '',
  }))
}

/**
 * The log against what the ledger had afterwards. Whatever the log has was in the ledger before; if it is not there any more,
 * and retention has not removed it, it is lost.
 */
export async function compareLog(
  sql: Sql,
  partition: number,
  log: LogEnd,
  { window: { events }, limit }: { window: Window; limit: number },
): Promise<{ differences: Difference[]; lost: LostEvent[] }> {
  const first = log[0]?.position ?? 0
  const last = log.at(-1)?.position ?? 0
  const entries = new Map(log.map(entry => [entry.position, entry]))
  const differences: Difference[] = []
  for (const event of events) {
    if (event.position < first || event.position > last) continue
    const entry = entries.get(event.position)
    const kind = !entry ? 'mirror_missing' : entry.line === eventLine(event) ? undefined : kindOf(event)
    if (kind) differences.push({ kind, partition, channel: event.channel, offset: event.offset })
  }
  const known = new Set(events.map(({ position }) => position))
  // A window that is full says nothing of what lies behind it.
  const through = events.length < limit ? last : (events.at(-1)?.position ?? 0)
  const extra = log.filter(({ position }) => !known.has(position) && position <= through)
  return { differences, lost: await lostOf(sql, partition, extra) }
}

function kindOf({ type }: StoredEvent): 'erased_copy' | 'mirror_other' {
  return type === 'holdfast.erased' ? 'erased_copy' : 'mirror_other'
}

async function lostOf(sql: Sql, partition: number, extra: LogEnd): Promise<LostEvent[]> {
  if (extra.length === 0) return []
  const rows = await sql<{ channel: string; floor: number }[]>`
    select channel, floor from holdfast.channel_floor
    where partition = ${partition} and channel = any (${textArray(extra, ({ channel }) => channel)}::text[])`
  const floors = new Map(rows.map(({ channel, floor }) => [channel, floor]))
  return extra
    .filter(({ channel, offset }) => offset > (floors.get(channel) ?? 0))
    .map(({ channel, offset, position }) => {
      const says = 'the mirror has it, and the ledger has not'
      return { partition, channel, offset, position, says }
    })
}

/** One channel's history, if it has any, against the ledger. */
export async function compareHistory(
  sql: Sql,
  mirrors: PartitionMirrors,
  partition: number,
  { channel, offset }: { readonly channel: string; readonly offset: number },
): Promise<{ differences: Difference[]; checked: number }> {
  const request = { channel, since: offset + 1, limit: historyEvents, reverse: true }
  const { count, text } = await mirrors.readHistory(partition, request)
  if (count === 0) return { differences: [], checked: 0 }
  const { answer } = await readChannel(sql, partition, channel, request)
  const lines = text.toString().split('\n')
  // A history has no holes, and begins at the asked place; what the ledger lacks there, its numbering tells.
  const lineOf = (at: number): string | undefined => lines[offset - at]
  const differences = answer.events.flatMap((event): Difference[] => {
    const line = lineOf(event.offset)
    if (line === undefined || line === eventLine(event)) return []
    const kind = event.type === 'holdfast.erased' ? 'erased_copy' : 'history_other'
    return [{ kind, partition, channel, offset: event.offset }]
  })
  return { differences, checked: Math.min(count, answer.events.length) }
}
