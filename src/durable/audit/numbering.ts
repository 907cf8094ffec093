import type { StoredEvent } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import type { LostEvent } from './types.ts'

/** The newest events of a partition as one snapshot has them, with what has to lie before them. */
export interface Window {
  /** Empty on a standby, which may lag: nothing follows from what it lacks. */
  readonly epoch: string
  /** Above it, retention had removed nothing when it last did, so that every position is there. */
  readonly removedThrough: number
  readonly events: readonly WindowEvent[]
}

export interface WindowEvent extends StoredEvent {
  /** The last offset of its channel that retention has removed. */
  readonly floor: number
  /** Whether the event before it in its channel is there; null where this window tells it anyway. */
  readonly before: boolean | null
}

/** Of one finding; more are counted and not named. */
const mostNamed = 100

/** One statement, so that whatever is missing in it was missing at one moment. `from` undefined: the newest ones. */
export async function readWindow(
  sql: Sql,
  partition: number,
  { from, limit }: { from: number | undefined; limit: number },
): Promise<Window> {
  const rows = await sql<
    (WindowEvent & { epoch: string | null; removedThrough: number; id: string | null })[]
  >`
    select b.epoch, b."removedThrough",
           e.channel, e."offset", e.position, e.id, e.type, e.data, e.meta, e.time, e.floor, e.before
    from (
      select (select epoch from holdfast.ledger where not pg_is_in_recovery()) as epoch,
             coalesce((select f.head from holdfast.partition_floor as f where f.partition = ${partition}), 0)
               as "removedThrough"
    ) as b
    left join (
      select w.*, coalesce(f.floor, 0) as floor,
             case when w.first and w."offset" > coalesce(f.floor, 0) + 1 then exists (
               select from holdfast.events as p
               where p.partition = ${partition} and p.channel = w.channel and p."offset" = w."offset" - 1) end as before
      from (
        select r.*, row_number() over (partition by r.channel order by r.position) = 1 as first
        from (select * from holdfast.events
              where partition = ${partition} and position >= coalesce(${from ?? null}::bigint, (
                select l.position from holdfast.events as l
                where l.partition = ${partition} order by l.position desc limit 1) - ${limit}::int + 1)
              order by position limit ${limit}) as r
      ) as w
      left join holdfast.channel_floor as f on f.partition = ${partition} and f.channel = w.channel
    ) as e on true
    order by e.position`
  const [first] = rows
  return {
    epoch: first?.epoch ?? '',
    removedThrough: first?.removedThrough ?? 0,
    events: rows.flatMap(({ epoch, removedThrough, ...event }) =>
      event.id === null ? [] : [{ ...event, partition }],
    ),
  }
}

interface Hole {
  readonly channel: string
  readonly offset: number
  /** It was recorded between these positions. */
  readonly after: number
  readonly before: number
}

/**
 * What the numbering of a window says is missing. Channels and partitions are numbered without holes, and retention takes
 * from a channel's beginning: a hole behind its floor is a lost event. A missing position that no channel's hole explains
 * was the last event of its channel.
 */
export function missingIn(partition: number, window: Window): { lost: LostEvent[]; count: number } {
  const holes = holesIn(window)
  const gaps = gapsIn(window)
  const lost = holes.named.map(({ channel, offset, after, before }): LostEvent => {
    const at = gaps.named.findIndex(position => position > after && position < before)
    const [position] = at < 0 ? [] : gaps.named.splice(at, 1)
    return { partition, channel, offset, position, says: 'its channel has a hole' }
  })
  const says = 'its partition has a hole, and no channel: it was the last one of its channel'
  for (const position of gaps.named)
    lost.push({ partition, channel: undefined, offset: undefined, position, says })
  return { lost, count: Math.max(lost.length, holes.count, gaps.count) }
}

function holesIn({ events }: Window): { named: Hole[]; count: number } {
  const named: Hole[] = []
  let count = 0
  const known = new Map<string, WindowEvent>()
  for (const event of events) {
    const { channel, offset, position, before } = event
    const last = known.get(channel)
    known.set(channel, event)
    const expected = last ? last.offset + 1 : before === false ? offset - 1 : offset
    count += offset - expected
    for (let missing = expected; missing < offset && named.length < mostNamed; missing++)
      named.push({ channel, offset: missing, after: last?.position ?? 0, before: position })
  }
  return { named, count }
}

function gapsIn({ events, removedThrough }: Window): { named: number[]; count: number } {
  const named: number[] = []
  let count = 0
  let last: number | undefined
  for (const { position } of events) {
    const expected = last === undefined ? position : Math.max(last, removedThrough) + 1
    count += Math.max(0, position - expected)
    for (let missing = expected; missing < position && named.length < mostNamed; missing++)
      named.push(missing)
    last = position
  }
  return { named, count }
}
