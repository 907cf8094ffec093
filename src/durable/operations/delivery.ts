import type { Sql } from '../../platform/index.ts'
import { intArray } from '../ledger/array-literal.ts'

/** What a consumer still owes an event, or how that ended; the states are described at the table. */
export interface Delivery {
  readonly id: number
  /** `group/<name>` or `rule/<name>`. */
  readonly consumer: string
  readonly channel: string
  readonly offset: number
  readonly partition: number
  readonly position: number
  readonly eventId: string
  readonly eventType: string
  readonly state: string
  readonly attempts: number
  readonly reason: string | null
  /** All times in milliseconds since 1970. */
  readonly created: number
  /** Of a parked one: when it was parked. */
  readonly updated: number
  /** Who decided last, where it was a person. */
  readonly actor: string | null
}

/** Which parked deliveries; what is not said does not matter. */
export interface ParkedFilter {
  readonly consumer?: string | undefined
  readonly channel?: string | undefined
  readonly namespace?: string | undefined
  /** The event's type. */
  readonly type?: string | undefined
  /** Part of the reason, in whatever case. */
  readonly reason?: string | undefined
  /** Parked at least so long ago, */
  readonly olderThanSeconds?: number | undefined
  /** and less long ago than this. */
  readonly newerThanSeconds?: number | undefined
}

/** Deliveries that somebody has named, or that match. */
export type Selection = ({ readonly ids: readonly number[] } | { readonly filter: ParkedFilter }) & {
  /**
   * Milliseconds since 1970, by the clock of Postgres: of those that were parked before, which a preview has shown. Nothing
   * joins them any more; ages are those of that moment.
   */
  readonly at?: number | undefined
}

/** The columns of a `Delivery`, of the table as `d`. */
export function deliveryColumns(sql: Sql) {
  return sql`d.id, d.consumer, d.channel, d."offset", d.partition, d.position, d.event_id as "eventId",
    d.event_type as "eventType", d.state, d.attempts, d.reason, d.created, d.updated, d.actor`
}

/** The condition that a row `d` is parked and selected. The states are literals: a partial index knows them. */
export function selected(sql: Sql, selection: Selection) {
  const { at } = selection
  const then = at === undefined ? sql`` : sql`and d.updated <= ${at}::bigint`
  if ('ids' in selection) {
    return sql`d.state = 'parked' and d.id = any (${intArray(selection.ids, id => id)}::bigint[]) ${then}`
  }
  const { consumer, channel, namespace, type, reason, olderThanSeconds, newerThanSeconds } = selection.filter
  const now = at === undefined ? sql`floor(extract(epoch from clock_timestamp()) * 1000)` : sql`${at}::bigint`
  return sql`d.state = 'parked' ${then}
    ${consumer === undefined ? sql`` : sql`and d.consumer = ${consumer}`}
    ${channel === undefined ? sql`` : sql`and d.channel = ${channel}`}
    ${namespace === undefined ? sql`` : sql`and holdfast.namespace_of(d.channel) = ${namespace}`}
    ${type === undefined ? sql`` : sql`and d.event_type = ${type}`}
    ${reason === undefined ? sql`` : sql`and strpos(lower(d.reason), lower(${reason})) > 0`}
    ${olderThanSeconds === undefined ? sql`` : sql`and d.updated <= ${now} - ${olderThanSeconds}::bigint * 1000`}
    ${newerThanSeconds === undefined ? sql`` : sql`and d.updated > ${now} - ${newerThanSeconds}::bigint * 1000`}`
}
