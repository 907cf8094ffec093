import type { Sql } from '../../platform/index.ts'
import { type Selection, selected } from './delivery.ts'
import { previewParked } from './parked.ts'

/** What a decision about many deliveries came to. */
export interface Changed {
  readonly changed: number
  /** Selected, and no longer parked when it was their turn: somebody else has decided. */
  readonly notParked: number
}

/** Rows of one transaction: workers wait for no longer than it takes. */
const rowsPerStep = 500

export interface Decision {
  readonly actor: string
  /** Why; discarding needs it. */
  readonly reason?: string | undefined
}

/**
 * Sets parked deliveries free, or takes them out for good, step by step; each step is recorded in the transaction that
 * does it. One that is parked anew meanwhile is left alone.
 */
export async function decide(
  sql: Sql,
  act: 'redrive' | 'discard',
  selection: Selection,
  decision: Decision,
  onStep: (changed: number) => void = () => undefined,
): Promise<Changed> {
  const wanted =
    'ids' in selection ? new Set(selection.ids).size : (await previewParked(sql, selection)).count
  const [last] = await sql<{ id: number | null }[]>`select max(id) as id from holdfast.deliveries`
  let changed = 0
  let after = 0
  for (;;) {
    const rows = await step(sql, act, selection, decision, { after, through: last?.id ?? 0 })
    if (rows.length === 0) break
    changed += rows.length
    after = Math.max(...rows)
    onStep(rows.length)
  }
  return { changed, notParked: Math.max(0, wanted - changed) }
}

async function step(
  sql: Sql,
  act: 'redrive' | 'discard',
  selection: Selection,
  { actor, reason }: Decision,
  { after, through }: { after: number; through: number },
): Promise<number[]> {
  const next =
    act === 'discard'
      ? sql`state = 'discarded', reason = ${reason ?? null}::text`
      : sql`state = case when d.consumer like 'group/%' then 'retrying' else 'queued' end, due = 0, attempts = 0`
  const rows = await sql<{ id: number }[]>`
    with picked as (
      select d.id from holdfast.deliveries as d
      where ${selected(sql, selection)} and d.id > ${after}::bigint and d.id <= ${through}::bigint
      order by d.id limit ${rowsPerStep} for update
    ), changed as (
      update holdfast.deliveries as d
      set ${next}, actor = ${actor}::text, updated = floor(extract(epoch from clock_timestamp()) * 1000)
      from picked where d.id = picked.id returning d.id
    ), recorded as (${record(sql, act, actor, reason)})
    select id from changed`
  return rows.map(({ id }) => id)
}

/**
 * Sets a channel free in its order: of each ordered group only the first open delivery, behind which the others follow
 * by themselves; of consumers without order, every one.
 */
export async function redriveChannel(
  sql: Sql,
  place: { partition: number; channel: string; consumer?: string | undefined },
  { actor }: Decision,
): Promise<{ changed: number }> {
  const { partition, channel, consumer } = place
  const rows = await sql`
    with open as (
      select d.id, d.consumer, d.state, row_number() over (partition by d.consumer order by d.position) as nth,
             exists (select from holdfast.groups as g
                     where 'group/' || g.name = d.consumer and g.mode = 'ordered') as ordered
      from holdfast.deliveries as d
      where d.partition = ${partition} and d.channel = ${channel}
        and d.state in ('waiting', 'retrying', 'queued', 'parked')
        ${consumer === undefined ? sql`` : sql`and d.consumer = ${consumer}`}
    ), changed as (
      update holdfast.deliveries as d
      set state = case when d.consumer not like 'group/%' then 'queued'
                       when open.ordered and open.nth > 1 then 'waiting' else 'retrying' end,
          due = 0, attempts = 0, actor = ${actor}::text,
          updated = floor(extract(epoch from clock_timestamp()) * 1000)
      from open where d.id = open.id and d.state = 'parked' returning d.id
    ), recorded as (${record(sql, 'redrive', actor, undefined)})
    select id from changed`
  return { changed: rows.length }
}

/** An act for each delivery, so that one can be asked for its own. */
function record(sql: Sql, act: string, actor: string, reason: string | undefined) {
  return sql`
    insert into holdfast.acts (time, actor, act, target, reason)
    select floor(extract(epoch from clock_timestamp()) * 1000), ${actor}::text, ${act}::text, 'delivery ' || c.id,
           ${reason ?? null}::text
    from changed as c order by c.id`
}
