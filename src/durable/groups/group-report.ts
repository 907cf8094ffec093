import type { Sql } from '../../platform/index.ts'

export interface Lag {
  /** Events that are not settled, or not looked at, yet. */
  readonly events: number
  /** Age of the oldest of them; 0 where there is none. */
  readonly seconds: number
}

export interface GroupSummary {
  readonly name: string
  readonly mode: 'ordered' | 'competing'
  readonly paused: boolean
  /** The namespaces its patterns may match; null: all. Retention keeps there what it still needs. */
  readonly namespaces: readonly string[] | null
  /** Milliseconds since 1970. */
  readonly created: number
  /** Processes that work for it now. */
  readonly members: number
  /** Positions of the ledger that it has passed when it is level; of these, `lag.events` are before it. */
  readonly total: number
  readonly lag: Lag
  /** What did not go smoothly, and is beside the lag. */
  readonly open: { readonly parked: number; readonly retrying: number; readonly waiting: number }
}

export interface GroupMember {
  readonly id: string
  /** The node's name. */
  readonly node: string
  /** Of its last sign of life; milliseconds since 1970. */
  readonly seen: number
  readonly partitions: readonly number[]
}

export interface GroupPartition {
  readonly partition: number
  /** Everything up to here is settled, or is an open delivery. */
  readonly position: number
  /** Of a competing group: settled positions above it. */
  readonly settledAbove: number
  readonly head: number
  readonly lag: Lag
  /** The node that holds the lease, null for none. */
  readonly node: string | null
  /** When `position` moved last; milliseconds since 1970. */
  readonly moved: number
  readonly open: number
}

export interface GroupDetail extends GroupSummary {
  /** When a new epoch of the ledger has last set it back; undefined where none has. */
  readonly setBack: { readonly time: number; readonly reason: string } | undefined
  readonly memberList: readonly GroupMember[]
  readonly partitions: readonly GroupPartition[]
}

interface PlaceRow extends Omit<GroupPartition, 'lag' | 'open'> {
  readonly group: string
  readonly events: number
  readonly seconds: number
}

type GroupRow = Omit<GroupSummary, 'lag' | 'members' | 'open' | 'namespaces' | 'total'> & {
  readonly namespaces: string | null
  readonly members: number
}

/** All groups, or one, by name. */
export async function groupSummaries(sql: Sql, name?: string): Promise<readonly GroupSummary[]> {
  const [groups, places, open] = await Promise.all([
    groupRows(sql, name),
    placeRows(sql, name),
    openRows(sql, name),
  ])
  return groups.map(group => {
    const own = places.filter(place => place.group === group.name)
    const counts = open.filter(row => row.group === group.name)
    const counted = (state: string) =>
      counts.filter(row => row.state === state).reduce((sum, row) => sum + row.count, 0)
    return {
      ...group,
      namespaces: group.namespaces === null ? null : (JSON.parse(group.namespaces) as string[]),
      total: own.reduce((sum, { head }) => sum + head, 0),
      lag: {
        events: own.reduce((sum, { events }) => sum + events, 0),
        seconds: Math.max(0, ...own.map(({ seconds }) => seconds)),
      },
      open: { parked: counted('parked'), retrying: counted('retrying'), waiting: counted('waiting') },
    }
  })
}

/** Undefined where there is no such group. */
export async function groupDetail(sql: Sql, name: string): Promise<GroupDetail | undefined> {
  const [[summary], places, open, setBacks, members] = await Promise.all([
    groupSummaries(sql, name),
    placeRows(sql, name),
    openRows(sql, name),
    sql<{ time: number; reason: string }[]>`
      select time, reason from holdfast.acts
      where target = ${`group ${name}`} and act = 'new_epoch' order by id desc limit 1`,
    sql<(Omit<GroupMember, 'partitions'> & { partitions: string })[]>`
      select m.member as id, m.node, floor(extract(epoch from m.seen) * 1000) as seen,
             coalesce((select json_agg(g.partition order by g.partition) from holdfast.group_partitions as g
                       where g."group" = m."group" and g.holder = m.member), '[]')::text as partitions
      from holdfast.group_members as m where m."group" = ${name} order by m.node, m.member`,
  ])
  if (!summary) return undefined
  const openIn = (partition: number) =>
    open.filter(row => row.partition === partition).reduce((sum, { count }) => sum + count, 0)
  return {
    ...summary,
    setBack: setBacks[0],
    memberList: members.map(({ partitions, ...member }) => ({
      ...member,
      seen: Number(member.seen),
      partitions: JSON.parse(partitions) as number[],
    })),
    partitions: places.map(({ group, events, seconds, ...place }) => ({
      ...place,
      lag: { events, seconds },
      open: openIn(place.partition),
    })),
  }
}

function groupRows(sql: Sql, name: string | undefined): Promise<readonly GroupRow[]> {
  return sql<GroupRow[]>`
    select g.name, g.mode, g.paused, array_to_json(g.namespaces)::text as namespaces,
           floor(extract(epoch from g.created) * 1000)::bigint as created,
           (select count(*) from holdfast.group_members as m where m."group" = g.name) as members
    from holdfast.groups as g where ${only(sql, sql`g.name`, name)} order by g.name`
}

/** Heads are looked up once for all groups; retention's holes count as events until they are passed. */
function placeRows(sql: Sql, name: string | undefined): Promise<readonly PlaceRow[]> {
  return sql<PlaceRow[]>`
    with heads as materialized (
      select p as partition, holdfast.partition_head(p) as head
      from holdfast.ledger as l, generate_series(0, l.partitions - 1) as p
    ), now as (
      select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as ms
    )
    select g."group", g.partition, g.position, h.head, g.moved, m.node, settled.above as "settledAbove",
           greatest(0, h.head - g.position - settled.above) as events,
           coalesce(greatest(0, now.ms - first.time) / 1000, 0) as seconds
    from holdfast.group_partitions as g
    join heads as h on h.partition = g.partition
    cross join now
    left join holdfast.group_members as m on m."group" = g."group" and m.member = g.holder
    cross join lateral (
      select count(*) as above from holdfast.group_settled as s
      where s."group" = g."group" and s.partition = g.partition and s.position > g.position
    ) as settled
    left join lateral (
      select e.time from holdfast.events as e
      where e.partition = g.partition and e.position > g.position order by e.position limit 1
    ) as first on h.head > g.position + settled.above
    where ${only(sql, sql`g."group"`, name)}
    order by g."group", g.partition`
}

function openRows(sql: Sql, name: string | undefined) {
  return sql<{ group: string; partition: number; state: string; count: number }[]>`
    select substr(d.consumer, 7) as "group", d.partition, d.state, count(*) as count
    from holdfast.deliveries as d
    where d.state in ('waiting', 'retrying', 'queued', 'parked')
      and ${name === undefined ? sql`d.consumer >= 'group/' and d.consumer < 'group0'` : sql`d.consumer = ${`group/${name}`}`}
    group by d.consumer, d.partition, d.state`
}

function only(sql: Sql, column: ReturnType<Sql>, name: string | undefined) {
  return name === undefined ? sql`true` : sql`${column} = ${name}`
}
