import type { Sql } from '../../platform/index.ts'
import { textArray } from '../ledger/array-literal.ts'

/** How a consumer stands to an event. All times in milliseconds since 1970. */
export interface ConsumerStory {
  /** `group/<name>` or `rule/<name>`. */
  readonly consumer: string
  /**
   * A delivery's state; else `settled` (done, or there was nothing to do), `pending` (not reached yet) or `paused` (not
   * reached, and the group is stopped).
   */
  readonly state: string
  readonly delivery: number | null
  readonly attempts: number | null
  readonly reason: string | null
  readonly due: number | null
  readonly updated: number | null
  readonly actor: string | null
}

/** What people have done. */
export interface Act {
  /** Milliseconds since 1970. */
  readonly time: number
  readonly actor: string
  readonly act: string
  readonly target: string
  readonly reason: string | null
}

/** What has become of one event. */
export interface EventStory {
  /** Null where retention has removed the event, and nobody remembers its id. */
  readonly eventId: string | null
  readonly channel: string
  readonly offset: number
  readonly partition: number
  readonly position: number | null
  readonly type: string | null
  /** When it was recorded, in milliseconds since 1970. */
  readonly recorded: number | null
  readonly ledger: 'recorded' | 'erased' | 'removed'
  readonly consumers: readonly ConsumerStory[]
  /** On the event and its deliveries, the oldest first. */
  readonly acts: readonly Act[]
}

type Row = Omit<EventStory, 'consumers' | 'acts' | 'eventId' | 'recorded'> &
  Omit<ConsumerStory, 'consumer' | 'due' | 'updated'> & {
    event_id: string | null
    consumer: string | null
    recorded: Date | null
    due: Date | null
    updated: Date | null
  }

/** By id, which several channels may share; or by its place in a channel. Empty where it was never recorded. */
export async function eventStories(
  sql: Sql,
  event: { readonly id: string } | { readonly channel: string; readonly offset: number },
): Promise<EventStory[]> {
  const rows =
    'id' in event
      ? await sql<Row[]>`select * from holdfast.event_story(${event.id}::uuid)`
      : await sql<Row[]>`select * from holdfast.event_story(${event.channel}::text, ${event.offset}::bigint)`
  const places = new Map<string, Row[]>()
  for (const row of rows) {
    const place = `event ${row.channel} ${row.offset}`
    places.set(place, [...(places.get(place) ?? []), row])
  }
  return Promise.all([...places].map(([place, of]) => storyOf(sql, place, of)))
}

async function storyOf(sql: Sql, place: string, rows: readonly Row[]): Promise<EventStory> {
  const { channel, offset, partition, position, type, ledger, event_id, recorded } = rows[0] as Row
  const consumers = rows.flatMap(({ consumer, state, delivery, attempts, reason, due, updated, actor }) =>
    consumer === null
      ? []
      : [{ consumer, state, delivery, attempts, reason, due: ms(due), updated: ms(updated), actor }],
  )
  const deliveries = consumers.flatMap(({ delivery }) => (delivery === null ? [] : [`delivery ${delivery}`]))
  return {
    eventId: event_id,
    ...{ channel, offset, partition, position, type, recorded: ms(recorded), ledger, consumers },
    acts: await actsOn(sql, [place, ...deliveries]),
  }
}

/** The oldest first. */
export async function actsOn(sql: Sql, targets: readonly string[]): Promise<Act[]> {
  return [
    ...(await sql<Act[]>`
      select time, actor, act, target, reason from holdfast.acts
      where target = any (${textArray(targets, one => one)}::text[]) order by id`),
  ]
}

function ms(date: Date | null): number | null {
  return date === null ? null : date.getTime()
}
