import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { newEventId } from '../../domain/index.ts'
import type { Ledger } from './ledger.ts'

let db: TestLedger
let ledger: Ledger
const channel = 'order:1'

beforeAll(async () => {
  db = await testLedger()
  ;[ledger] = db.ledgers
  for (let i = 1; i <= 10; i++) await ledger.append({ channel, type: 'T', data: String(i), id: newEventId() })
})
afterAll(() => db.close())

const offsets = (page: { events: readonly { offset: number }[] }) => page.events.map(({ offset }) => offset)

test('a page begins after since and ends at the limit, and tells head and floor', async () => {
  const page = await ledger.readChannel(channel, { since: 3, limit: 4 })
  expect(offsets(page)).toEqual([4, 5, 6, 7])
  expect(page).toMatchObject({ head: 10, floor: 0 })
  expect(page.events[0]).toMatchObject({ channel, data: '4', type: 'T', position: 4 })
})

test('without since a page begins at the first event, in reverse at the last', async () => {
  expect(offsets(await ledger.readChannel(channel, { limit: 2 }))).toEqual([1, 2])
  expect(offsets(await ledger.readChannel(channel, { limit: 2, reverse: true }))).toEqual([10, 9])
  expect(offsets(await ledger.readChannel(channel, { limit: 9, reverse: true, since: 3 }))).toEqual([2, 1])
})

test('an empty page tells the head too', async () => {
  expect(await ledger.readChannel(channel, { limit: 0 })).toEqual({ head: 10, floor: 0, events: [] })
  expect(await ledger.readChannel(channel, { since: 99, limit: 5 })).toEqual({
    head: 10,
    floor: 0,
    events: [],
  })
  expect(await ledger.readChannel('order:none', { limit: 5 })).toEqual({ head: 0, floor: 0, events: [] })
})

test('a partition is read by position, and says how far it looked', async () => {
  const partition = ledger.partitionOf(channel)
  const page = await ledger.readPartition(partition, 4, 3)
  expect(page.events.map(({ position }) => position)).toEqual([4, 5, 6])
  expect(page).toMatchObject({ from: 4, through: 6 })
  expect(page.events[0]).toMatchObject({ channel, offset: 4, partition })
  expect(await ledger.readPartition(partition, 9, 50)).toMatchObject({ through: 10 })
  expect(await ledger.readPartition(partition, 11, 50)).toEqual({ events: [], from: 11, through: 10 })
  expect(await ledger.readPartition((partition + 1) % 64, 1, 50)).toEqual({ events: [], from: 1, through: 0 })
})

test('heads are told for everything that was asked, also where there is nothing', async () => {
  const partition = ledger.partitionOf(channel)
  expect(await ledger.channelHeads([channel, 'order:none'])).toEqual(
    new Map([
      [channel, { head: 10, floor: 0 }],
      ['order:none', { head: 0, floor: 0 }],
    ]),
  )
  expect(await ledger.partitionHeads([partition, (partition + 1) % 64])).toEqual(
    new Map([
      [partition, 10],
      [(partition + 1) % 64, 0],
    ]),
  )
  expect(await ledger.channelHeads([])).toEqual(new Map())
})

test('a page ends behind the event that fills its bytes, and has one event at least', async () => {
  const large = 'large:1'
  const data = JSON.stringify('x'.repeat(998))
  for (let n = 0; n < 9; n++) await ledger.append({ channel: large, type: 'T', data, id: newEventId() })
  const read = async (request: Parameters<typeof ledger.readChannel>[1]) =>
    offsets(await ledger.readChannel(large, request))
  expect(await read({ limit: 9, maxBytes: 1 })).toEqual([1])
  expect(await read({ limit: 9, maxBytes: 3_000 })).toEqual([1, 2, 3])
  expect(await read({ limit: 2, maxBytes: 3_000 })).toEqual([1, 2])
  expect(await read({ since: 7, limit: 9, maxBytes: 3_000 })).toEqual([8, 9])
  expect(await read({ since: 8, limit: 9, maxBytes: 2_500, reverse: true })).toEqual([7, 6, 5])
  expect(await read({ since: 9, limit: 9, maxBytes: 2_500 })).toEqual([])
})

test('a page of a partition ends behind the event that fills a mebibyte, and the next one goes on there', async () => {
  const large = 'large:2'
  const data = JSON.stringify('x'.repeat(400_000))
  for (let n = 0; n < 5; n++) await ledger.append({ channel: large, type: 'T', data, id: newEventId() })
  const partition = ledger.partitionOf(large)
  const lengths: number[] = []
  for (let from = 1, more = true; more; ) {
    const { events, through } = await ledger.readPartition(partition, from, 100)
    expect(events.at(-1)?.position ?? through).toBe(through)
    more = events.length > 0
    lengths.push(events.filter(event => event.channel === large).length)
    from = through + 1
  }
  expect(lengths).toEqual([3, 2, 0])
})
