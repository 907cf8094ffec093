import { afterEach, beforeEach, expect, test } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { tcpProxy } from '../../../test/support/tcp-proxy.ts'
import { until } from '../../../test/support/until.ts'
import { newEventId } from '../../domain/index.ts'

let db: TestLedger

beforeEach(async () => {
  db = await testLedger()
})
afterEach(() => db.close())

const event = (expectedOffset?: number) => ({
  channel: 'order:1',
  type: 'T',
  data: '1',
  id: newEventId(),
  ...(expectedOffset === undefined ? {} : { expectedOffset }),
})

async function newEpoch(): Promise<string> {
  const [row] = await db.sql<{ epoch: string }[]>`select holdfast.new_epoch() as epoch`
  return row?.epoch ?? ''
}

async function recorded(): Promise<number> {
  const [row] = await db.sql<{ count: number }[]>`select count(*)::int as count from holdfast.events`
  return row?.count ?? 0
}

test('every node has the same epoch, another database has another one', async () => {
  const other = await testLedger()
  expect(db.ledgers[0].epoch).toMatch(/^[0-9a-f]{12}$/)
  expect(db.ledgers[1].epoch).toBe(db.ledgers[0].epoch)
  expect(other.ledgers[0].epoch).not.toBe(db.ledgers[0].epoch)
  await other.close()
})

test('an append notices a new epoch, tells it once, and is stored in it', async () => {
  const [ledger] = db.ledgers
  const heard: string[] = []
  ledger.onEpoch(epoch => heard.push(epoch))
  await ledger.append(event())
  const epoch = await newEpoch()
  const outcomes = await Promise.all([ledger.append(event()), ledger.append(event())])
  expect(outcomes.map(({ kind }) => kind)).toEqual(['stored', 'stored'])
  expect(ledger.epoch).toBe(epoch)
  expect(heard).toEqual([epoch])
})

test('an offset expected in the old epoch is void', async () => {
  const [ledger] = db.ledgers
  await ledger.append(event())
  await newEpoch()
  await expect(ledger.append(event(1))).rejects.toMatchObject({ code: 'EPOCH_CHANGED', remedy: 'resync' })
  expect(await ledger.append(event(1))).toMatchObject({ kind: 'stored', event: { offset: 2 } })
})

test('an append with an expected offset whose answer was lost is found in the new epoch', async () => {
  const proxy = await tcpProxy(db.url)
  const ledger = await db.open({ url: proxy.through(db.url), limits: { deadlineMs: 20_000 } })
  // Twice, so that the statement is prepared: from now on the server speaks only after the commit.
  await ledger.append(event(0))
  await ledger.append(event(1))
  proxy.loseAnswers()
  const pending = ledger.append(event(2))
  await until('an answer is lost', () => proxy.lost() > 0)
  // It may have been another one's.
  await until('it is recorded', async () => (await recorded()) === 3)
  await newEpoch()
  proxy.answerAgain()
  expect(await pending).toMatchObject({ kind: 'duplicate', offset: 3 })
  await ledger.close()
  await proxy.close()
})

test('a node that only reads notices a new epoch by the heads', async () => {
  const [ledger] = db.ledgers
  const epoch = await newEpoch()
  await ledger.partitionHeads([0])
  expect(ledger.epoch).toBe(epoch)
})

test('a new epoch waits for the batches in flight and comes between two', async () => {
  const heard: string[] = []
  for (const ledger of db.ledgers) ledger.onEpoch(epoch => heard.push(epoch))
  const appends = Promise.all(
    Array.from({ length: 3_000 }, (_, i) => db.ledgers[i % 2 ? 1 : 0].append(event())),
  )
  const epochs = [await newEpoch(), await newEpoch(), await newEpoch()]
  const outcomes = await appends
  const offsets = outcomes.map(outcome => (outcome.kind === 'stored' ? outcome.event.offset : 0))
  expect(offsets.sort((a, b) => a - b)).toEqual(Array.from({ length: 3_000 }, (_, i) => i + 1))
  await Promise.all(db.ledgers.map(ledger => ledger.append(event())))
  expect(db.ledgers.map(({ epoch }) => epoch)).toEqual([epochs[2], epochs[2]])
  for (const epoch of heard) expect(epochs).toContain(epoch)
})

test('an answer of a past epoch is no answer', async () => {
  const [ledger] = db.ledgers
  const past = ledger.epoch
  const epoch = await newEpoch()
  await ledger.partitionHeads([0])
  // As a primary does that has been replaced and does not know it yet.
  await db.sql.begin(async sql => {
    await sql`select set_config('holdfast.acting', 'new_epoch', true)`
    await sql`update holdfast.ledger set epoch = ${past}`
  })
  const stretch = { partition: 0, after: 0, through: 9 }
  for (const read of [
    () => ledger.partitionHeads([0]),
    () => ledger.channelHeads(['order:1']),
    () => ledger.readChannel('order:1', { since: 0, limit: 9 }),
    () => ledger.readPartition(0, 1, 9),
    () => ledger.movedChannels([stretch]),
    () => ledger.readAfter([{ channel: 'order:1', since: 0 }], { perChannel: 9, maxBytes: 999 }),
  ])
    await expect(read(), String(read)).rejects.toMatchObject({ remedy: 'retry_later' })
  expect(ledger.epoch).toBe(epoch)
})
