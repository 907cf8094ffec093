import { afterAll, beforeAll, expect, it } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { until } from '../../../test/support/until.ts'
import { newEventId } from '../../domain/index.ts'
import { ruleOf } from './rule.ts'
import {
  declareRules,
  dropIdleGroup,
  forgetRules,
  jobsGroup,
  keepRules,
  rulesInTurn,
  storedRules,
} from './rule-rows.ts'

let db: TestLedger
beforeAll(async () => {
  db = await testLedger()
})
afterAll(() => db.close())

const ruleNamed = (name: string, channel = 'order:*') => ruleOf(name, { on: { channel }, handler: 'h' })
const append = () => db.ledgers[0].append({ channel: 'order:1', type: 'T', data: '1', id: newEventId() })
const partition = () => db.ledgers[0].partitionOf('order:1')
const startOf = async (name: string) => {
  const rules = await db.sql.begin(tx => rulesInTurn(tx, partition()))
  return rules.find(rule => rule.name === name)?.start
}

it('a rule applies above the heads of its first declaration, whatever is declared later', async () => {
  await append()
  await append()
  await declareRules(db.sql, [ruleNamed('first')])
  expect(await startOf('first')).toBe(2)
  await append()
  await declareRules(db.sql, [ruleNamed('first', 'other:*'), ruleNamed('second')])
  expect(await startOf('first')).toBe(2)
  expect(await startOf('second')).toBe(3)
  expect((await storedRules(db.sql)).map(rule => [rule.name, rule.channel, rule.declared])).toEqual([
    ['first', 'other:*', true],
    ['second', 'order:*', true],
  ])
})

it('a declaration waits for the turns that do not know it, and turns for the declaration', async () => {
  const turn = Promise.withResolvers<void>()
  const read = Promise.withResolvers<void>()
  const turning = db.sql.begin(async tx => {
    expect((await rulesInTurn(tx, partition())).map(rule => rule.name)).not.toContain('third')
    read.resolve()
    await turn.promise
  })
  await read.promise
  let declared = false
  const declaring = declareRules(db.sql, [ruleNamed('third')]).then(() => {
    declared = true
  })
  const watching = (await import('../../platform/index.ts')).connectPostgres(db.url, {
    max: 1,
    applicationName: 'watch',
  })
  await until('it waits for the turn', async () => {
    const waiting = await watching`select from pg_locks where locktype = 'advisory' and not granted`
    return waiting.length === 1
  })
  await append()
  expect(declared).toBe(false)
  turn.resolve()
  await turning
  await declaring
  // What was recorded while it waited lies below its start.
  expect(await startOf('third')).toBe(4)
  await watching.end()
})

it('keeping rules says whether they have to be declared anew', async () => {
  expect(await keepRules(db.sql, [])).toBe(true)
  expect(await keepRules(db.sql, [ruleNamed('first')])).toBe(true)
  expect(await keepRules(db.sql, [ruleNamed('first'), ruleNamed('unknown')])).toBe(false)
})

it('a rule of a past epoch goes on at the head that is left', async () => {
  await db.sql`update holdfast.job_rules set starts = array_fill(1000::bigint, array[64]) where name = 'second'`
  await db.sql`select holdfast.new_epoch()`
  expect(await keepRules(db.sql, [ruleNamed('second')])).toBe(false)
  await declareRules(db.sql, [ruleNamed('second'), ruleNamed('first')])
  expect(await startOf('second')).toBe(4)
  expect(await startOf('first')).toBe(2)
  expect(await keepRules(db.sql, [ruleNamed('second'), ruleNamed('first')])).toBe(true)
})

it('the group goes with the last rule that anybody declares, and comes back with the next', async () => {
  const places = () => db.sql`select from holdfast.group_partitions where "group" = ${jobsGroup}`
  expect(await dropIdleGroup(db.sql)).toBe(false)
  await db.sql`update holdfast.job_rules set seen = seen - 120000`
  expect((await storedRules(db.sql)).every(rule => !rule.declared)).toBe(true)
  expect(await startOf('first')).toBe(2)
  expect(await dropIdleGroup(db.sql)).toBe(false)
  await db.sql`update holdfast.job_rules set seen = seen - 7 * 86400000`
  // The clock alone forgets nothing: all may have been away together.
  expect(await startOf('first')).toBe(2)
  expect(await dropIdleGroup(db.sql)).toBe(false)
  await keepRules(db.sql, [ruleNamed('second')])
  expect(await forgetRules(db.sql)).not.toContain('second')
  expect(await startOf('first')).toBeUndefined()
  expect(await startOf('second')).toBe(4)
  expect(await dropIdleGroup(db.sql)).toBe(false)
  await db.sql`update holdfast.job_rules set seen = seen - 8 * 86400000::bigint where name = 'second'`
  expect(await forgetRules(db.sql)).toEqual(['second'])
  expect(await dropIdleGroup(db.sql)).toBe(true)
  expect(await places()).toHaveLength(0)
  expect(await keepRules(db.sql, [ruleNamed('first')])).toBe(false)
  await declareRules(db.sql, [ruleNamed('first')])
  expect(await places()).toHaveLength(db.ledgers[0].partitions)
})
