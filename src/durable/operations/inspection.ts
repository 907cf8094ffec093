import type { Sql } from '../../platform/index.ts'
import { type Delivery, deliveryColumns } from './delivery.ts'
import { type Act, actsOn } from './event-story.ts'

/** A delivery with all that is known about it. */
export interface Inspection {
  readonly delivery: Delivery
  /** As the ledger has it now; undefined where retention has removed it. */
  readonly event: InspectedEvent | undefined
  /** What of the channel waits for this delivery to be settled, the first ones and how many in all. */
  readonly behind: { readonly count: number; readonly first: readonly Delivery[] }
  /** The oldest first. */
  readonly acts: readonly Act[]
}

export interface InspectedEvent {
  readonly type: string
  /** JSON text. */
  readonly data: string
  /** JSON text of who appended it, or null. */
  readonly meta: string | null
  /** Milliseconds since 1970. */
  readonly time: number
}

const firstBehind = 10

/** Undefined where there is no delivery of this id (any more). */
export async function inspect(sql: Sql, id: number): Promise<Inspection | undefined> {
  const [delivery] = await sql<Delivery[]>`
    select ${deliveryColumns(sql)} from holdfast.deliveries as d where d.id = ${id}::bigint`
  if (!delivery) return undefined
  const { partition, position, channel, consumer, eventId } = delivery
  // The id too: after a failover that lost events, another event may have this position.
  const [event] = await sql<InspectedEvent[]>`
    select type, data, meta, time from holdfast.events
    where partition = ${partition} and position = ${position} and id = ${eventId}`
  const behind = await sql<(Delivery & { behind: number })[]>`
    select ${deliveryColumns(sql)}, count(*) over () as behind from holdfast.deliveries as d
    where d.partition = ${partition} and d.channel = ${channel} and d.consumer = ${consumer}
      and d.state = 'waiting' and d.position > ${position}
    order by d.position limit ${firstBehind}`
  return {
    delivery,
    event,
    behind: { count: behind[0]?.behind ?? 0, first: behind.map(({ behind: _, ...row }) => row) },
    acts: await actsOn(sql, [`delivery ${id}`, `event ${channel} ${delivery.offset}`]),
  }
}
