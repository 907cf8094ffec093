import { sql } from 'drizzle-orm'
import { bigint, jsonb, type PgColumn, type PgTable, text } from 'drizzle-orm/pg-core'
import type { Contract } from '../contract/index.ts'
import { HoldfastError } from '../domain/index.ts'
import type { HandlerEvent } from '../durable/index.ts'
import { checkedCommon, checkTables } from './define.ts'
import type { ApplyContext, ProjectionDb, Reducer, ReducerDefinition, TableMaker } from './types.ts'

/** The only table of a reducer, named `states` for everybody. */
function statesTable<State>({ table }: TableMaker) {
  return {
    states: table('states', {
      key: text().primaryKey(),
      state: jsonb().$type<State>().notNull(),
      channel: text().notNull(),
      offset: bigint({ mode: 'number' }).notNull(),
    }),
  }
}

export type StatesTables<State> = ReturnType<typeof statesTable<State>>

/**
 * Defines a read model without SQL: a state per key, folded from events, in the table `states`.
 * @throws HoldfastError CONFIG_INVALID for a bad name, version or pattern
 */
export function defineReducer<
  State,
  const Channels extends string = string,
  const Types extends string = string,
  C extends Contract = Contract,
>(definition: ReducerDefinition<State, C, Channels, Types>): Reducer<State, StatesTables<State>> {
  const { initial, evolve, key, changes } = definition
  const common = checkedCommon(definition)
  for (const [what, given] of Object.entries({ initial, evolve }))
    if (typeof given !== 'function')
      throw new HoldfastError('CONFIG_INVALID', `projection ${common.name}: expected a function as ${what}`)
  const fold = definition as unknown as ReducerDefinition<State>
  const reducer: Reducer<State, StatesTables<State>> = {
    kind: 'reducer',
    ...common,
    definition: fold,
    tables: statesTable<State>,
    apply: (events, context) => applyReducer(fold, key !== undefined, events, context),
    changes: typeof changes === 'function' ? change => changes(String(change.key['key'])) : changes,
  }
  checkTables(reducer as never)
  return reducer
}

interface Folded<State> {
  readonly key: string
  state: State | null
  channel: string
  offset: number
}

/** Reads the states of all keys of a batch at once, folds, and writes them with one statement. */
async function applyReducer<State>(
  fold: ReducerDefinition<State>,
  shared: boolean,
  events: readonly HandlerEvent[],
  { db, tables: { states }, changed }: ApplyContext<StatesTables<State>>,
): Promise<void> {
  const own = eventsByKey(fold, events)
  // In one order for all, so that two batches can't wait for each other.
  const keys = [...own.keys()].sort()
  if (keys.length === 0) return
  // A channel is one partition's, and so is its state; any other key may be in another batch at this moment.
  if (shared) await lockStates(db, states, keys)
  const known = await statesOf<State>(db, states, keys)
  const folded = keys.map(key => evolved(fold, key, known.get(key) ?? null, own.get(key) ?? []))
  await writeStates(db, states, folded)
  changed(states, keys.map(key => ({ key })) as never)
}

function eventsByKey<State>(
  { key }: ReducerDefinition<State>,
  events: readonly HandlerEvent[],
): ReadonlyMap<string, readonly HandlerEvent[]> {
  const byKey = new Map<string, HandlerEvent[]>()
  for (const event of events) {
    const whose = key ? key(event as never) : event.channel
    if (whose === undefined) continue
    if (typeof whose !== 'string') throw new TypeError(`key has returned ${typeof whose} for ${event.type}`)
    const own = byKey.get(whose)
    if (own) own.push(event)
    else byKey.set(whose, [event])
  }
  return byKey
}

/** What the events make of a state; where it was removed they begin anew. Pure, as far as `evolve` is. */
export function evolved<State>(
  { initial, evolve }: Pick<ReducerDefinition<State>, 'initial' | 'evolve'>,
  key: string,
  known: State | null,
  events: readonly HandlerEvent[],
): Folded<State> {
  const folded: Folded<State> = { key, state: known, channel: '', offset: 0 }
  for (const event of events) {
    const next = evolve(folded.state ?? initial(key), event as never)
    if (next === undefined)
      throw new TypeError(`evolve has returned nothing for ${event.type}; null removes the state`)
    folded.state = next
    folded.channel = event.channel
    folded.offset = event.offset
  }
  return folded
}

/**
 * Locks the rows of all keys, and makes those that are not there: else two batches would both begin a new state, and one of
 * them would be lost. What is made here is written over, or removed, before the commit.
 */
async function lockStates(db: ProjectionDb, states: PgTable, keys: readonly string[]): Promise<void> {
  await db.execute(sql`
    insert into ${states} as s (key, state, channel, "offset")
    select k, 'null', '', 0 from jsonb_array_elements_text(${JSON.stringify(keys)}::jsonb) as k
    on conflict (key) do update set channel = s.channel where false`)
}

async function statesOf<State>(
  db: ProjectionDb,
  states: PgTable & { key: PgColumn; state: PgColumn },
  keys: readonly string[],
): Promise<ReadonlyMap<string, State | null>> {
  const rows = await db
    .select({ key: states.key, state: states.state })
    .from(states)
    .where(sql`${states.key} in (select jsonb_array_elements_text(${JSON.stringify(keys)}::jsonb))`)
  return new Map(rows.map(({ key, state }) => [key as string, state as State | null]))
}

async function writeStates<State>(
  db: ProjectionDb,
  states: PgTable,
  folded: readonly Folded<State>[],
): Promise<void> {
  const there = folded.filter(({ state }) => state !== null)
  const gone = folded.filter(({ state }) => state === null).map(({ key }) => key)
  const write = db.execute(sql`
    insert into ${states} (key, state, channel, "offset")
    select key, state, channel, "offset"
    from jsonb_to_recordset(${JSON.stringify(there)}::jsonb) as r (key text, state jsonb, channel text, "offset" bigint)
    on conflict (key) do update
    set state = excluded.state, channel = excluded.channel, "offset" = excluded."offset"`)
  const remove =
    gone.length > 0 &&
    db.execute(
      sql`delete from ${states} where key in (select jsonb_array_elements_text(${JSON.stringify(gone)}::jsonb))`,
    )
  await Promise.all([write, remove])
}
