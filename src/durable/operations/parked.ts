import type { Sql } from '../../platform/index.ts'
import { type Delivery, deliveryColumns, type ParkedFilter, type Selection, selected } from './delivery.ts'

/** In ascending order of their ids. */
export interface ParkedPage {
  readonly deliveries: readonly Delivery[]
  /** How many match in all. */
  readonly count: number
  /** What to ask the next page `after`; undefined at the end. */
  readonly next: number | undefined
}

/** What a selection would hit at this moment. */
export interface Preview {
  readonly count: number
  /** The most frequent first, at most twenty. */
  readonly reasons: readonly {
    readonly consumer: string
    readonly reason: string | null
    readonly count: number
  }[]
  /** The moment of which that is true, for `Selection.at`: an act with it hits nothing that was not counted. */
  readonly at: number
  /** The first ones by id. */
  readonly sample: readonly Delivery[]
}

const maxReasons = 20
const sampleSize = 5

export async function listParked(
  sql: Sql,
  filter: ParkedFilter,
  { after = 0, limit }: { after?: number | undefined; limit: number },
): Promise<ParkedPage> {
  const rows = await sql<Delivery[]>`
    select ${deliveryColumns(sql)} from holdfast.deliveries as d
    where ${selected(sql, { filter })} and d.id > ${after}::bigint order by d.id limit ${limit + 1}`
  const deliveries = rows.slice(0, limit)
  const more = rows.length > limit
  return { deliveries, count: await count(sql, { filter }), next: more ? deliveries.at(-1)?.id : undefined }
}

export async function previewParked(sql: Sql, wanted: Selection): Promise<Preview> {
  const at = wanted.at ?? (await present(sql))
  const selection = { ...wanted, at }
  const reasons = await sql<{ consumer: string; reason: string | null; count: number }[]>`
    select d.consumer, d.reason, count(*) as count from holdfast.deliveries as d
    where ${selected(sql, selection)} group by d.consumer, d.reason
    order by count(*) desc, d.consumer, d.reason limit ${maxReasons}`
  const sample = await sql<Delivery[]>`
    select ${deliveryColumns(sql)} from holdfast.deliveries as d
    where ${selected(sql, selection)} order by d.id limit ${sampleSize}`
  return { count: await count(sql, selection), reasons: [...reasons], sample: [...sample], at }
}

async function present(sql: Sql): Promise<number> {
  const [row] = await sql<{ at: number }[]>`
    select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as at`
  return row?.at ?? 0
}

async function count(sql: Sql, selection: Selection): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*) as count from holdfast.deliveries as d where ${selected(sql, selection)}`
  return row?.count ?? 0
}
