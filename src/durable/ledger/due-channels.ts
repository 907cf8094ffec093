import { namespaceOf } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import type { Rule } from './retention-rules.ts'

/** A channel with events that its namespace no longer keeps: those from its oldest up to `through`. */
export interface DueChannel {
  readonly channel: string
  readonly oldest: number
  readonly oldestPosition: number
  readonly through: number
}

/** Channels looked at in one statement, and events in one: steps small enough to disturb nobody. */
const channelsPerStep = 200
export const eventsPerStep = 1_000

/** Goes through the channels of a rule in one partition, step by step; `again` looks at the last step once more. */
export async function* dueChannels(
  sql: Sql,
  rule: Rule,
  partition: number,
): AsyncGenerator<readonly DueChannel[], void, { again: boolean } | undefined> {
  let { from } = rule
  for (;;) {
    const step = await channelsWithOld(sql, rule, partition, from)
    const due = step.filter((one): one is DueChannel => one.through !== null)
    const answer = yield due.filter(({ channel }) => namespaceOf(channel) === rule.namespace)
    if (answer?.again) continue
    const last = step.at(-1)?.channel
    if (last === undefined || step.length < channelsPerStep) return
    // The least text above `last`.
    from = `${last}\u0001`
  }
}

/**
 * Some channels in order, each with the last offset that the rule no longer keeps (null: it keeps all). Of age only
 * the oldest events are asked, and the first one that is young enough ends the search.
 */
async function channelsWithOld(
  sql: Sql,
  rule: Rule,
  partition: number,
  from: string,
): Promise<(Omit<DueChannel, 'through'> & { through: number | null })[]> {
  return sql<(Omit<DueChannel, 'through'> & { through: number | null })[]>`
    with recursive found as (
      (select channel, 1 as n from holdfast.events
       where partition = ${partition} and channel >= ${from} and channel < ${rule.to} order by channel limit 1)
      union all
      select (select e.channel from holdfast.events as e
              where e.partition = ${partition} and e.channel > found.channel and e.channel < ${rule.to}
              order by e.channel limit 1), n + 1
      from found where found.channel is not null and n < ${channelsPerStep}
    )
    select found.channel, oldest."offset" as oldest, oldest.position as "oldestPosition",
           case when greatest(aged.through, crowded.through) >= oldest."offset"
                then greatest(aged.through, crowded.through) end as through
    from found
    left join lateral (
      select e."offset", e.position from holdfast.events as e
      where e.partition = ${partition} and e.channel = found.channel order by e."offset" limit 1
    ) as oldest on true
    left join lateral (
      select coalesce(min(o."offset") filter (where o.time >= young.since) - 1, max(o."offset")) as through
      from (select floor(extract(epoch from clock_timestamp()) * 1000) - ${rule.maxAgeSeconds}::bigint * 1000 as since)
             as young,
           (select e."offset", e.time from holdfast.events as e
            where e.partition = ${partition} and e.channel = found.channel
            order by e."offset" limit ${eventsPerStep}) as o
    ) as aged on ${rule.maxAgeSeconds}::bigint > 0
    left join lateral (
      select e."offset" - ${rule.maxEvents}::bigint as through from holdfast.events as e
      where e.partition = ${partition} and e.channel = found.channel order by e."offset" desc limit 1
    ) as crowded on ${rule.maxEvents}::bigint > 0
    where found.channel is not null
    order by found.channel`
}
