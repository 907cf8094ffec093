import type { StoredEvent } from '../../domain/index.ts'
import type { Sql, Transaction } from '../../platform/index.ts'
import { intArray } from '../ledger/array-literal.ts'
import type { Manner } from './competing-turns.ts'
import { consumerOf } from './delivery-rows.ts'
import type { Failure } from './failure.ts'
import type { GroupStore } from './group-store.ts'
import type { TurnItem } from './handler-call.ts'

/** A delivery that is to be tried again now. */
export interface DueDelivery {
  readonly partition: number
  readonly position: number
  /** So far. */
  readonly attempts: number
  /** Undefined where the ledger has it no more. */
  readonly event: StoredEvent | undefined
}

type DueRow = Omit<DueDelivery, 'event'> & Omit<StoredEvent, 'id'> & { readonly id: string | null }

/** Behind so many bytes of data no further event is read: it would only wait in memory. */
const dueBytes = 16_777_216

/** What is due and at which nobody is at work, at most so many, the longest due first; fewer where events are large. */
export async function dueDeliveries(
  store: Pick<GroupStore, 'run'>,
  group: string,
  limit: number,
): Promise<readonly DueDelivery[]> {
  const rows = await store.run(
    // Now, asked for once and as a bigint, so that an index begins there: many may be parked, or not due for long.
    sql => sql<DueRow[]>`
      select partition, position, attempts, channel, "offset", id, type, data, meta, time
      from (
        select d.partition, d.position, d.attempts, d.due, e.channel, e."offset", e.id, e.type, e.data, e.meta, e.time,
               coalesce(sum(octet_length(e.data)) over (order by d.due, d.partition, d.position
                                                        rows between unbounded preceding and 1 preceding), 0) as bytes_before
        from (
          select partition, position, attempts, due from holdfast.deliveries
          where consumer = ${consumerOf(group)} and state = 'retrying'
            and due <= (select floor(extract(epoch from clock_timestamp()) * 1000)::bigint)
          order by due limit ${limit} for update skip locked
        ) as d
        left join holdfast.events as e on e.partition = d.partition and e.position = d.position
      ) as measured
      where bytes_before < ${dueBytes}
      order by due, partition, position`,
  )
  return rows.map(({ attempts, id, ...event }) => {
    const { partition, position } = event
    return { partition, position, attempts, event: id === null ? undefined : { ...event, id } }
  })
}

/** Deliveries whose events are gone are owed no more. */
export async function endDeliveriesOf(
  store: GroupStore,
  group: string,
  gone: readonly DueDelivery[],
): Promise<void> {
  if (gone.length > 0) await store.run(sql => remove(sql, group, gone))
}

/** Another process of the group may have a handler for them; this one looks again after a while. */
export async function postpone(
  store: GroupStore,
  group: string,
  unmatched: readonly DueDelivery[],
  ms: number,
): Promise<void> {
  if (unmatched.length === 0) return
  await store.run(
    sql => sql`
      update holdfast.deliveries as d
      set due = floor(extract(epoch from clock_timestamp()) * 1000) + ${ms}::bigint
      from unnest(${intArray(unmatched, one => one.partition)}::int[],
                  ${intArray(unmatched, one => one.position)}::bigint[]) as k (partition, position)
      where d.consumer = ${consumerOf(group)} and d.partition = k.partition and d.position = k.position
        and d.state = 'retrying'`,
  )
}

/** How due deliveries are claimed and settled: by their rows, which others pass over while they are locked. */
export function dueManner(store: GroupStore, group: string): Manner {
  const consumer = consumerOf(group)
  return {
    async take(tx, items) {
      // With the attempts that were read: somebody may have tried meanwhile, and want it tried again at once.
      const rows = await tx<{ partition: number; position: number }[]>`
        select d.partition, d.position
        from holdfast.deliveries as d
        join unnest(${partitions(items)}::int[], ${positions(items)}::bigint[],
                    ${intArray(items, item => item.attempt - 1)}::int[]) as k (partition, position, attempts)
          on d.partition = k.partition and d.position = k.position and d.attempts = k.attempts
        where d.consumer = ${consumer} and d.state = 'retrying'
          and d.due <= extract(epoch from clock_timestamp()) * 1000
        for update of d skip locked`
      const taken = new Set(rows.map(placeOf))
      return items.filter(({ event }) => taken.has(placeOf(event)))
    },
    settle: (tx, taken) => (taken.length === 0 ? [] : [remove(tx, group, taken.map(eventOf)).execute()]),
    async owe(item, failure) {
      const { event, attempt } = item
      const rows = await store.run(
        sql => sql`
          update holdfast.deliveries as d
          set state = ${stateOf(failure)}, attempts = ${attempt}, reason = ${failure.reason}, updated = now.ms,
              due = ${dueIn(failure)}::bigint + case when ${dueIn(failure)}::bigint > 0 then now.ms else 0 end
          from (select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as ms) as now
          where d.consumer = ${consumer} and d.partition = ${event.partition} and d.position = ${event.position}
            and d.state = 'retrying' and d.attempts = ${attempt - 1}
          returning d.id`,
      )
      return rows.length > 0
    },
  }
}

export function stateOf(failure: Failure): 'retrying' | 'parked' {
  return failure.kind === 'retry' ? 'retrying' : 'parked'
}

/** Milliseconds. */
export function dueIn(failure: Failure): number {
  return failure.kind === 'retry' ? Math.ceil(failure.afterMs) : 0
}

function remove(
  db: Sql | Transaction,
  group: string,
  places: readonly { partition: number; position: number }[],
) {
  return db`
    delete from holdfast.deliveries as d
    using unnest(${intArray(places, one => one.partition)}::int[], ${intArray(places, one => one.position)}::bigint[])
          as k (partition, position)
    where d.consumer = ${consumerOf(group)} and d.partition = k.partition and d.position = k.position
      and d.state = 'retrying'`
}

const eventOf = ({ event }: TurnItem) => event
const partitions = (items: readonly TurnItem[]) => intArray(items, item => item.event.partition)
const positions = (items: readonly TurnItem[]) => intArray(items, item => item.event.position)
const placeOf = ({ partition, position }: { partition: number; position: number }) =>
  `${partition}.${position}`
