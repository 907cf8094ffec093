import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import { AnsweringPool } from '../ledger/answering-pool.ts'
import { intArray, textArray } from '../ledger/array-literal.ts'
import { partitionOf } from '../ledger/partition-of.ts'
import { consumerOf } from './delivery-rows.ts'

/** An event by its place in its channel. */
export interface EventPlace {
  readonly channel: string
  readonly offset: number
  /** Where it is known, the ledger must still be in it. */
  readonly epoch?: string | undefined
}

/** How a wait for an ordered group has ended. */
export type Reached =
  /** Every event of the channel up to there is settled, or passed over because no handler wants it. */
  | { readonly kind: 'reached' }
  /** One of them is parked, so the group will not get there until somebody decides. */
  | { readonly kind: 'parked'; readonly offset: number; readonly reason: string }
  /** Not within the time: so many events of the partition are before it, or are being tried again. */
  | { readonly kind: 'late'; readonly events: number; readonly retrying: boolean }
  /** The channel has no such event. */
  | { readonly kind: 'not_there'; readonly head: number }
  | { readonly kind: 'other_epoch'; readonly epoch: string }

export interface CheckpointWatch {
  /**
   * Waits until an ordered group has gone past an event, at most so long. It asks at least once, whatever the time.
   * @throws HoldfastError OVERLOADED where too many wait; DEPENDENCY_*
   */
  reach(group: string, place: EventPlace, withinMs: number): Promise<Reached>
  close(): Promise<void>
}

interface Target {
  readonly epoch: string
  readonly partition: number
  readonly position: number
}

interface Waiter extends Target {
  readonly group: string
  readonly channel: string
  /** By the monotonic clock. */
  readonly until: number
  readonly resolve: (end: Reached) => void
  readonly reject: (error: unknown) => void
}

interface Answer {
  readonly n: number
  readonly passed: boolean
  readonly events: number
  readonly retrying: boolean
  readonly parked: number | null
  readonly reason: string | null
}

const restMs = { first: 5, most: 100 }
const mostWaiting = 10_000
/** Far above what a look at some places takes. */
const answerMs = 5_000

/** All who wait share one statement, which is asked again and again while there are any: seldom, where nothing new has come. */
export function watchCheckpoints(open: () => Sql): CheckpointWatch {
  const pool = new AnsweringPool(open, { timeoutMs: answerMs, graceSeconds: 1 })
  const waiters = new Set<Waiter>()
  let asking = false
  let rest = restMs.first
  let resting = new AbortController()
  let partitions: number | undefined

  async function look(): Promise<void> {
    const asked = [...waiters]
    const answers = new Map((await pool.run(sql => answersFor(sql, asked))).map(each => [each.n, each]))
    const now = performance.now()
    for (const [n, waiter] of asked.entries()) {
      const end = endOf(answers.get(n), now >= waiter.until)
      if (!end) continue
      waiters.delete(waiter)
      waiter.resolve(end)
    }
  }

  async function ask(): Promise<void> {
    if (asking) return
    asking = true
    try {
      while (waiters.size > 0) {
        await look()
        if (waiters.size === 0) break
        const soonest = Math.min(...[...waiters].map(({ until }) => until)) - performance.now()
        await delay(Math.max(1, Math.min(rest, soonest)), undefined, { signal: resting.signal }).catch(() => {
          resting = new AbortController()
        })
        rest = Math.min(rest * 1.5, restMs.most)
      }
    } catch (error) {
      for (const { reject } of waiters) reject(error)
      waiters.clear()
    } finally {
      asking = false
    }
  }

  return {
    async reach(group, place, withinMs) {
      const until = performance.now() + withinMs
      if (waiters.size >= mostWaiting)
        throw new HoldfastError('OVERLOADED', `${mostWaiting} reads wait for consumer groups already`)
      partitions ??= await pool.run(partitionCount)
      const partition = partitionOf(place.channel, partitions)
      const target = await pool.run(sql => targetOf(sql, place, partition))
      if ('kind' in target) return target
      const { promise, resolve, reject } = Promise.withResolvers<Reached>()
      waiters.add({ ...target, group, channel: place.channel, until, resolve, reject })
      rest = restMs.first
      resting.abort()
      void ask()
      return promise
    },
    close: () => pool.close(),
  }
}

function endOf(answer: Answer | undefined, late: boolean): Reached | undefined {
  if (answer?.parked) return { kind: 'parked', offset: answer.parked, reason: answer.reason ?? '' }
  if (answer?.passed) return { kind: 'reached' }
  if (!late) return undefined
  return { kind: 'late', events: answer?.events ?? 0, retrying: answer?.retrying ?? false }
}

async function partitionCount(sql: Sql): Promise<number> {
  const [row] = await sql<{ partitions: number }[]>`select partitions from holdfast.ledger`
  return row?.partitions ?? 1
}

/** An event that was removed stands for the next one of its channel that is still there, or for all there is. */
async function targetOf(
  sql: Sql,
  { channel, offset, epoch }: EventPlace,
  partition: number,
): Promise<Target | Reached> {
  const [row] = await sql<{ epoch: string; head: number; position: number | null; last: number }[]>`
    select l.epoch, holdfast.partition_head(${partition}) as last,
           greatest(
             (select e."offset" from holdfast.events as e
              where e.partition = ${partition} and e.channel = ${channel} order by e."offset" desc limit 1),
             (select f.head from holdfast.channel_floor as f
              where f.partition = ${partition} and f.channel = ${channel}), 0) as head,
           (select e.position from holdfast.events as e
            where e.partition = ${partition} and e.channel = ${channel} and e."offset" >= ${offset}
            order by e."offset" limit 1) as position
    from holdfast.ledger as l`
  if (!row) return { kind: 'not_there', head: 0 }
  if (epoch !== undefined && epoch !== row.epoch) return { kind: 'other_epoch', epoch: row.epoch }
  if (offset > row.head) return { kind: 'not_there', head: row.head }
  return { epoch: row.epoch, partition, position: offset === 0 ? 0 : (row.position ?? row.last) }
}

/** Checkpoint and open deliveries move together: one statement sees them as they belong together. */
function answersFor(sql: Sql, waiters: readonly Waiter[]): Promise<readonly Answer[]> {
  return sql<Answer[]>`
    select w.n::int as n,
           coalesce(g.epoch = w.epoch and g.position >= w.position and open.all = 0, false) as passed,
           greatest(0, w.position - coalesce(g.position, 0)) as events,
           open.all > 0 as retrying, first.parked, first.reason
    from unnest(
      ${textArray(waiters, one => one.group)}::text[], ${textArray(waiters, one => consumerOf(one.group))}::text[],
      ${textArray(waiters, one => one.epoch)}::text[], ${intArray(waiters, one => one.partition)}::int[],
      ${textArray(waiters, one => one.channel)}::text[], ${intArray(waiters, one => one.position)}::bigint[],
      ${intArray([...waiters.keys()], n => n)}::int[]
    ) as w ("group", consumer, epoch, partition, channel, position, n)
    left join holdfast.group_partitions as g on g."group" = w."group" and g.partition = w.partition
    cross join lateral (
      select count(*) as all from holdfast.deliveries as d
      where d.partition = w.partition and d.channel = w.channel and d.consumer = w.consumer
        and d.position <= w.position and d.state in ('waiting', 'retrying', 'queued', 'parked')
    ) as open
    left join lateral (
      select d."offset" as parked, d.reason from holdfast.deliveries as d
      where d.partition = w.partition and d.channel = w.channel and d.consumer = w.consumer
        and d.position <= w.position and d.state = 'parked'
      order by d.position limit 1
    ) as first on true`
}
