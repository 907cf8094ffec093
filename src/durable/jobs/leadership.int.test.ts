import { afterAll, beforeAll, expect, it } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { until } from '../../../test/support/until.ts'
import { createLogger } from '../../platform/index.ts'
import { Leadership } from './leadership.ts'

const logger = createLogger('silent')

let db: TestLedger
beforeAll(async () => {
  db = await testLedger()
})
afterAll(() => db.close())

it('one leads as long as it asks; one that hangs is followed by another, and learns of it', async () => {
  const [first, second] = [new Leadership(db.url, logger, 1_500), new Leadership(db.url, logger)]
  expect(await first.leads()).toBe(true)
  expect(await second.leads()).toBe(false)
  const end = Date.now() + 2_500
  await until('more than the permitted silence is over', async () => {
    expect(await first.leads()).toBe(true)
    return Date.now() > end
  })
  expect(await second.leads()).toBe(false)
  // The first one's connection stays open, and says nothing, as one of a process that is stopped.
  await until('the second one leads', () => second.leads())
  // Its first question may meet the end of its connection.
  const answer = await first.leads().catch(error => error)
  if (answer !== false) expect(answer).toMatchObject({ remedy: 'retry_later' })
  expect(await first.leads()).toBe(false)
  await second.resign()
  expect(await first.leads()).toBe(true)
  await Promise.all([first.close(), second.close()])
})
