import type { AnsweringPool } from '../ledger/answering-pool.ts'
import type { Enqueuer } from './enqueue.ts'
import { storedRules } from './rule-rows.ts'

/** Where an erased event lies in the ledger. */
export interface ErasedPlace {
  readonly partition: number
  readonly position: number
}

/**
 * Takes an erased event out of the jobs that carry it: those in an application's own queues. Our own carry only its place.
 * Doing it again changes nothing.
 * @throws HoldfastError DEPENDENCY_* while the Redis of jobs, or Postgres, is away
 */
export async function forgetEvent(
  rows: AnsweringPool,
  enqueuer: Enqueuer,
  place: ErasedPlace,
): Promise<void> {
  const owed = await rows.run(
    sql => sql<{ rule: string; id: string }[]>`
      select r.name as rule, d.event_id as id
      from holdfast.job_rules as r
      join holdfast.deliveries as d on d.consumer = 'rule/' || r.name
      where d.partition = ${place.partition} and d.position = ${place.position}`,
  )
  if (owed.length === 0) return
  const rules = new Map((await rows.run(storedRules)).map(rule => [rule.name, rule]))
  for (const { rule, id } of owed) {
    const definition = rules.get(rule)
    if (definition) await enqueuer.forget(rule, definition, [id])
  }
}
