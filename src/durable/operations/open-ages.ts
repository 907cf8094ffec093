import type { Sql } from '../../platform/index.ts'

/** The oldest of a consumer's deliveries in one state. */
export interface OpenAge {
  /** `group/…` or `rule/…`. */
  readonly consumer: string
  readonly state: string
  /** Since it was written down. */
  readonly seconds: number
}

/** Only open deliveries are looked at: they have an index of their own, the others may be millions. */
export async function openAges(sql: Sql): Promise<readonly OpenAge[]> {
  return sql<OpenAge[]>`
    select consumer, state,
           greatest(0, floor(extract(epoch from clock_timestamp()) * 1000) - min(created))::float8 / 1000 as seconds
    from holdfast.deliveries
    where state in ('waiting', 'retrying', 'queued', 'parked')
    group by consumer, state`
}
