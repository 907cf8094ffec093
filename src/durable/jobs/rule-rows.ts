import { type Sql, type Transaction, transaction } from '../../platform/index.ts'
import { textArray } from '../ledger/array-literal.ts'
import { definitionOf, type Rule, type RuleDefinition } from './rule.ts'

/** The group that turns events into deliveries of rules. */
export const jobsGroup = 'holdfast.jobs'

/** A rule that no process has declared for so long has nobody who works for it. */
const declaredMs = 60_000
/**
 * So long it is applied nevertheless, by the processes that have other rules: those that declare it may be away for a
 * night, and what is recorded meanwhile is owed as well. Who wants a rule to end removes it (`holdfast jobs remove`).
 */
const rememberedMs = 7 * 86_400_000
/** In place of when it was seen. */
const forgotten = 0

export interface StoredRule extends RuleDefinition {
  readonly name: string
  readonly epoch: string
  /** Milliseconds since 1970. */
  readonly created: number
  /** Whether a process declares it now. */
  readonly declared: boolean
}

type RuleRow = Omit<StoredRule, keyof RuleDefinition> & { definition: string }
type TurnRow = Omit<TurnRule, keyof RuleDefinition> & { definition: string }

/** All that ask for rules in a turn, and who changes rules: see `rulesInTurn`. */
const turnLock = [1_212_566_598, 1] as const

/** Waits until no turn is under way that has read the rules, and keeps others waiting until the end of the transaction. */
export async function betweenTurns(tx: Transaction): Promise<void> {
  await tx`select pg_advisory_xact_lock(${turnLock[0]}, ${turnLock[1]})`
}

/**
 * Makes rules known: a new one with the heads of the partitions, above which it applies. Nothing is recorded between
 * those heads and the first turn that knows the rule, because turns that do not know it are waited for.
 */
export async function declareRules(sql: Sql, rules: readonly Rule[]): Promise<void> {
  const names = textArray(rules, rule => rule.name)
  const definitions = textArray(rules, rule => JSON.stringify(definitionOf(rule)))
  await transaction(sql, async tx => {
    await betweenTurns(tx)
    await tx`select holdfast.declare_group(${jobsGroup}, 'ordered', null, 'now')`
    await tx`
      with heads as (
        select array_agg(holdfast.partition_head(p) order by p) as heads
        from holdfast.ledger as l, generate_series(0, l.partitions - 1) as p
      )
      insert into holdfast.job_rules as r (name, starts, epoch, created, definition, seen)
      select d.name, heads, l.epoch, now.ms, d.definition, now.ms
      from unnest(${names}::text[], ${definitions}::text[]) as d (name, definition), heads, holdfast.ledger as l,
           (select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as ms) as now
      on conflict (name) do update
      set seen = excluded.seen, definition = excluded.definition, epoch = excluded.epoch,
          -- What was above the head of a new epoch has been lost; what is recorded there now is new.
          starts = case when r.epoch = excluded.epoch then r.starts
                        else (select array_agg(least(s, h) order by n)
                              from unnest(r.starts, excluded.starts) with ordinality as t (s, h, n)) end`
  })
}

/** Says that rules are still declared. False: they have to be declared anew. */
export async function keepRules(sql: Sql, rules: readonly Rule[]): Promise<boolean> {
  if (rules.length === 0) return true
  const kept = await sql`
    update holdfast.job_rules as r set seen = floor(extract(epoch from clock_timestamp()) * 1000)
    from holdfast.ledger as l
    where r.name = any(${textArray(rules, rule => rule.name)}::text[]) and r.epoch = l.epoch
      and exists (select from holdfast.groups where name = ${jobsGroup})`
  return kept.count === rules.length
}

export async function storedRules(sql: Sql): Promise<StoredRule[]> {
  const rows = await sql<RuleRow[]>`
    select name, epoch, created, definition,
           seen > extract(epoch from clock_timestamp()) * 1000 - ${declaredMs}::bigint as declared
    from holdfast.job_rules order by name`
  return rows.map(({ definition, ...row }) => ({ ...(JSON.parse(definition) as RuleDefinition), ...row }))
}

/** A rule as it stands for one partition. */
export interface TurnRule extends Omit<StoredRule, 'declared'> {
  /** It applies above this position. */
  readonly start: number
}

/**
 * The rules for the events of a turn, which have been recorded before this is asked. A rule that is declared at the same
 * time waits for the end of this transaction, and takes the heads only then: what this turn passes over lies below them.
 */
export async function rulesInTurn(tx: Transaction, partition: number): Promise<TurnRule[]> {
  // Two statements, because the second one needs a snapshot that is younger than the lock; sent together.
  const [, rows] = await Promise.all([
    tx`select pg_advisory_xact_lock_shared(${turnLock[0]}, ${turnLock[1]})`,
    tx<TurnRow[]>`
      select name, epoch, created, definition, starts[${partition + 1}::int] as start
      from holdfast.job_rules
      where seen > ${forgotten} order by name`,
  ])
  return rows.map(({ definition, ...row }) => ({ ...(JSON.parse(definition) as RuleDefinition), ...row }))
}

/**
 * Forgets rules that no process has declared for a week: they are not applied any more, until they are declared again. The
 * clock says so of all after a week in which nothing ran at all, so this is for who has kept watch. Returns their names.
 */
export async function forgetRules(sql: Sql): Promise<string[]> {
  const names = await sql<{ name: string }[]>`
    update holdfast.job_rules set seen = ${forgotten}
    where seen > ${forgotten} and seen <= extract(epoch from clock_timestamp()) * 1000 - ${rememberedMs}::bigint
    returning name`
  return names.map(({ name }) => name)
}

/**
 * Takes the group of the rules away when all are forgotten: retention would keep for it what nobody reads. It is made anew
 * with the next rule.
 */
export async function dropIdleGroup(sql: Sql): Promise<boolean> {
  return transaction(sql, async tx => {
    await betweenTurns(tx)
    const dropped = await tx`
      delete from holdfast.groups where name = ${jobsGroup}
        and not exists (select from holdfast.job_rules where seen > ${forgotten})`
    if (dropped.count === 0) return false
    for (const table of ['group_partitions', 'group_members', 'group_settled'])
      await tx`delete from holdfast.${tx.unsafe(table)} where "group" = ${jobsGroup}`
    return true
  })
}
