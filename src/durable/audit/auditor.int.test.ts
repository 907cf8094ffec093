import { afterEach, beforeEach, expect, it } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { until } from '../../../test/support/until.ts'
import { createLogger, ForeignMessages } from '../../platform/index.ts'
import { Auditor, type AuditSink } from './auditor.ts'
import type { PartitionAudit } from './types.ts'

let db: TestLedger
let auditor: Auditor
const counted: number[] = []
let completed: PartitionAudit['scope'][]
const sink: AuditSink = {
  leads: () => undefined,
  found: ({ scope, partition }) => void (scope === 'whole' && counted.push(partition)),
  completed: scope => void completed.push(scope),
}

beforeEach(async () => {
  counted.length = 0
  completed = []
  db = await testLedger()
  await asSuperuser(`update holdfast.ledger set partitions = 3`)
  const ledger = await db.open()
  const logger = createLogger('silent')
  const foreign = new ForeignMessages(logger)
  const log = { ledger, redis: undefined, ledgerBehind: false, nodeId: 'a', logger, foreign }
  auditor = new Auditor({ url: db.url, log, intervalMs: 60, sink, logger })
})
afterEach(async () => {
  await auditor.close()
  await db.close()
})

/** The ledger's protection is against mistakes; here somebody means it. */
async function asSuperuser(statement: string): Promise<void> {
  await db.sql.begin(async sql => {
    await sql.unsafe('set local session_replication_role = replica')
    await sql.unsafe(statement)
  })
}

it('counts the other partitions where one cannot be counted, and does not say that it was through all', async () => {
  // Together they are more than can be summed up.
  await asSuperuser(`insert into holdfast.channel_floor (partition, channel, floor, head)
    select 1, name, 0, 9000000000000000000 from unnest(array['a', 'b']) as name`)
  auditor.start()
  await until('it has come round', () => counted.filter(partition => partition === 0).length >= 2, 20_000)
  expect(counted.slice(0, 3)).toEqual([0, 2, 0])
  expect(completed).not.toContain('whole')
  expect(completed).toContain('recent')
  await asSuperuser('delete from holdfast.channel_floor')
  await until('it says so when it was', () => completed.includes('whole'), 20_000)
  expect(counted).toContain(1)
})
