import { HoldfastError } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import { type CursorFilter, conditionOf, partitionOfFilter } from './cursor-list.ts'

export interface CursorRemoval extends CursorFilter {
  /** Who does it, and why: recorded. */
  readonly actor: string
  readonly reason?: string | undefined
}

/** Cursors of one statement. */
const batchSize = 1_000

/** Part by part, each recorded in the transaction that removes it. */
export async function removeCursors(
  sql: Sql,
  { actor, reason, ...filter }: CursorRemoval,
  step: (removed: number) => void = () => undefined,
): Promise<number> {
  if (filter.channel === undefined && filter.user === undefined) {
    throw new HoldfastError('REQUEST_INVALID', 'expected a channel or a user whose cursors are to be removed')
  }
  const partition = await partitionOfFilter(sql, filter)
  let removed = 0
  for (let last = batchSize; last === batchSize; ) {
    // Locked in the order of the keys, as holdfast.move_cursors does, so that the two cannot wait for each other.
    const [row] = await sql<{ removed: number }[]>`
      with found as (
        select c.partition, c.channel, c."user", c.name from holdfast.cursors as c
        where ${conditionOf(sql, filter, partition)} order by c.partition, c.channel, c."user", c.name limit ${batchSize} for update
      ), gone as (
        delete from holdfast.cursors as c using found as f
        where c.partition = f.partition and c.channel = f.channel and c."user" = f."user" and c.name = f.name
        returning 1
      ), counted as (
        select count(*)::int as removed from gone
      ), noted as (
        insert into holdfast.acts (time, actor, act, target, reason)
        select floor(extract(epoch from clock_timestamp()) * 1000), ${actor}, 'remove_cursors',
               removed || ${` of ${described(filter)}`}, ${reason ?? null}
        from counted where removed > 0
      )
      select removed from counted`
    last = row?.removed ?? 0
    removed += last
    step(last)
  }
  return removed
}

function described({ channel, user, name }: CursorFilter): string {
  const parts = [
    `cursor ${name ?? '*'}`,
    user === undefined ? undefined : `of ${JSON.stringify(user)}`,
    channel === undefined ? undefined : `in ${channel}`,
  ]
  return parts.filter(part => part !== undefined).join(' ')
}
