import { HoldfastError } from '../../domain/index.ts'
import { type Sql, type Transaction, transaction } from '../../platform/index.ts'
import { consumerOf } from './delivery-rows.ts'
import { betweenTurns, storedRules } from './rule-rows.ts'

/** Who changes something, and why. */
export interface Actor {
  readonly actor: string
  readonly reason?: string | undefined
}

/** Rows of one transaction: nobody waits for longer than that takes. */
const rowsPerStep = 500

/**
 * Ends a rule that no process declares any more, with what it owes: most of that step by step, so that a command which is
 * cut off can be repeated, and the last with the rule itself, while no turn is under way that could add to it.
 * @throws HoldfastError REQUEST_INVALID
 */
export async function removeRule(sql: Sql, name: string, by: Actor): Promise<{ discarded: number }> {
  const rule = (await storedRules(sql)).find(each => each.name === name)
  if (!rule) throw new HoldfastError('REQUEST_INVALID', `there is no rule ${name.slice(0, 80)}`)
  if (rule.declared)
    throw new HoldfastError(
      'REQUEST_INVALID',
      `a process declares the rule ${name}: take it out of the configuration, and wait a minute`,
    )
  let discarded = 0
  for (let step = rowsPerStep; step === rowsPerStep; discarded += step)
    step = await discardOwed(sql, name, by)
  return transaction(sql, async tx => {
    await betweenTurns(tx)
    for (let step = rowsPerStep; step === rowsPerStep; discarded += step)
      step = await discardOwed(tx, name, by)
    await tx`delete from holdfast.job_rules where name = ${name}`
    await tx`delete from holdfast.webhook_endpoints where rule = ${name}`
    await tx`
      insert into holdfast.acts (time, actor, act, target, reason)
      values (floor(extract(epoch from clock_timestamp()) * 1000), ${by.actor}, 'remove_rule', ${`rule ${name}`},
              ${by.reason ?? null})`
    return { discarded }
  })
}

async function discardOwed(sql: Sql | Transaction, name: string, { actor }: Actor): Promise<number> {
  const discarded = await sql`
    update holdfast.deliveries
    set state = 'discarded', reason = 'the rule was removed', actor = ${actor},
        updated = floor(extract(epoch from clock_timestamp()) * 1000)
    where id in (select id from holdfast.deliveries
                 where consumer = ${consumerOf(name)} and state in ('queued', 'parked') limit ${rowsPerStep}
                 for update)`
  return discarded.count
}
