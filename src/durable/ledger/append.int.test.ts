import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { eventIdFrom, newEventId, type StoredEvent } from '../../domain/index.ts'
import { textArray } from './array-literal.ts'
import type { Ledger, Outcome } from './ledger.ts'

let db: TestLedger
let a: Ledger
let b: Ledger
let names = 0

beforeAll(async () => {
  db = await testLedger()
  ;[a, b] = db.ledgers
})
afterAll(() => db.close())

const fresh = () => `order:${++names}`
const event = (
  channel: string,
  data = '1',
  more: { id?: string; type?: string; expectedOffset?: number } = {},
) => ({
  channel,
  type: 'Paid',
  data,
  id: newEventId(),
  ...more,
})

function offsetOf(outcome: Outcome): number {
  if (outcome.kind === 'stored') return outcome.event.offset
  if (outcome.kind === 'duplicate') return outcome.offset
  throw new Error(`not stored: ${JSON.stringify(outcome)}`)
}

test('appends of two nodes at once get dense offsets and dense positions', async () => {
  const channels = Array.from({ length: 40 }, fresh)
  const sent = Array.from({ length: 4_000 }, (_, i) => event(channels[(i * 7) % 40] ?? '', String(i)))
  const outcomes = await Promise.all(sent.map((one, i) => (i % 2 === 0 ? a : b).append(one)))
  expect(outcomes.every(({ kind }) => kind === 'stored')).toBe(true)

  const holes = await db.sql`
    select * from (
      select partition, position - row_number() over (partition by partition order by position) as by_position,
             "offset" - row_number() over (partition by partition, channel order by position) as by_offset
      from holdfast.events) as n
    where by_position <> 0 or by_offset <> 0`
  expect(holes).toEqual([])
  const rows =
    await db.sql`select id from holdfast.events where channel = any (${textArray(channels, one => one)}::text[])`
  expect(new Set(rows.map(row => row['id']))).toEqual(new Set(sent.map(({ id }) => id)))
})

test('one node stores the events of a channel in the order in which they were given to it', async () => {
  const channel = fresh()
  const outcomes = await Promise.all(
    Array.from({ length: 1_200 }, (_, i) => a.append(event(channel, String(i)))),
  )
  expect(outcomes.map(offsetOf)).toEqual(Array.from({ length: 1_200 }, (_, i) => i + 1))
})

test('the same id at once on both nodes is one row, and both learn its offset', async () => {
  for (let round = 0; round < 30; round++) {
    const one = event(fresh())
    const outcomes = await Promise.all([a.append(one), b.append(one), a.append(one), b.append(one)])
    expect(outcomes.map(offsetOf)).toEqual([1, 1, 1, 1])
    expect(outcomes.filter(({ kind }) => kind === 'stored')).toHaveLength(1)
    expect(
      new Set(outcomes.map(o => (o.kind === 'stored' ? o.event.time : 'time' in o ? o.time : 0))).size,
    ).toBe(1)
  }
})

test('an id is unique in its channel only', async () => {
  const id = eventIdFrom(newEventId(), 'x')
  const [first, second] = await Promise.all([
    a.append(event(fresh(), '1', { id })),
    a.append(event(fresh(), '2', { id })),
  ])
  expect([first?.kind, second?.kind]).toEqual(['stored', 'stored'])
})

test('the same id with other data or another type is refused, now and in one batch', async () => {
  const one = event(fresh(), '{"a":1}')
  expect((await a.append(one)).kind).toBe('stored')
  expect((await b.append({ ...one, data: '{"a":2}' })).kind).toBe('refused')
  expect((await b.append({ ...one, type: 'Refunded' })).kind).toBe('refused')
  const two = event(one.channel)
  const outcomes = await Promise.all([a.append(two), a.append({ ...two, data: '2' }), a.append(two)])
  expect(outcomes.map(({ kind }) => kind)).toEqual(['stored', 'refused', 'duplicate'])
})

test('a foreign expected offset is a conflict that names the head, a retried own success is a duplicate', async () => {
  const channel = fresh()
  const first = event(channel, '1', { expectedOffset: 0 })
  expect(await a.append(first)).toMatchObject({ kind: 'stored', event: { offset: 1 } })
  expect(await b.append(event(channel, '2', { expectedOffset: 0 }))).toEqual({ kind: 'conflict', head: 1 })
  expect(await b.append(first)).toMatchObject({ kind: 'duplicate', offset: 1 })
  expect(await b.append(event(channel, '3', { expectedOffset: 1 }))).toMatchObject({ event: { offset: 2 } })
  expect(await a.append(event(fresh(), '1', { expectedOffset: 5 }))).toEqual({ kind: 'conflict', head: 0 })
})

test('of several that expect the same head exactly one wins', async () => {
  const channel = fresh()
  const outcomes = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      (i % 2 ? a : b).append(event(channel, String(i), { expectedOffset: 0 })),
    ),
  )
  expect(outcomes.filter(({ kind }) => kind === 'stored')).toHaveLength(1)
  expect(outcomes.filter(o => o.kind === 'conflict' && o.head === 1)).toHaveLength(49)
})

test('expectations within one batch are judged in its order', async () => {
  const channel = fresh()
  const id = newEventId()
  const outcomes = await Promise.all([
    a.append(event(channel, '1', { expectedOffset: 0 })),
    a.append(event(channel, '2', { expectedOffset: 9, id })),
    a.append(event(channel, '3', { expectedOffset: 1 })),
    a.append(event(channel, '2', { id })),
    a.append(event(channel, '2', { expectedOffset: 0, id })),
  ])
  expect(outcomes.map(o => [o.kind, o.kind === 'conflict' ? o.head : offsetOf(o)])).toEqual([
    ['stored', 1],
    ['conflict', 1],
    ['stored', 2],
    ['stored', 3],
    ['duplicate', 3],
  ])
})

test('what cannot be stored is refused, and its neighbours are stored', async () => {
  const channel = fresh()
  const outcomes = await Promise.all([
    a.append(event(channel)),
    a.append(event(channel, '"\u0000"')),
    a.append(event(channel, '"\ud800"')),
    a.append(event(channel, '1', { type: 'T'.repeat(300) })),
    a.append(event(`x:${'y'.repeat(300)}`)),
    a.append(event(channel, '2', { id: 'no-uuid' })),
    a.append(event(channel, '3')),
  ])
  expect(outcomes.map(({ kind }) => kind)).toEqual([
    'stored',
    ...Array.from({ length: 5 }, () => 'refused'),
    'stored',
  ])
})

test('data comes back byte for byte', async () => {
  const channel = fresh()
  const datas = [
    '{"z":1,"a":12345678901234567890.000100,"e":1E400}',
    '{ "spaces" : [ 1 , 2 ],"k":1,"k":2 }',
    String.raw`"\u0000 \ud800 \/ \" \\ é 😀"`,
    `${'['.repeat(9_000)}${']'.repeat(9_000)}`,
    `"${'{},"\\\\NULL'.replaceAll('"', '\\"').repeat(2_000)}"`,
    'NULL',
    '""',
  ]
  const outcomes = await Promise.all(
    datas.map(data => a.append(event(channel, data, { type: 'é"\\{},NULL' }))),
  )
  const told = outcomes.flatMap(o => (o.kind === 'stored' ? [o.event] : []))
  const { events } = await b.readChannel(channel, { limit: 100 })
  expect(events.map(({ data }) => data)).toEqual(datas)
  expect(events).toEqual(told)
})

test('any text that can be stored comes back as it was', async () => {
  const channel = fresh()
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'binary', maxLength: 40 }), { minLength: 1, maxLength: 20 }),
      async texts => {
        const outcomes = await Promise.all(
          texts.map(text => a.append(event(channel, text, { type: `T${[...text].slice(0, 5).join('')}` }))),
        )
        const stored = outcomes.flatMap(o => (o.kind === 'stored' ? [o.event] : []))
        for (const [i, { kind }] of outcomes.entries()) {
          const text = texts[i] ?? ''
          expect(kind).toBe(text.isWellFormed() && !text.includes('\u0000') ? 'stored' : 'refused')
        }
        const since = Math.min(...stored.map(({ offset }) => offset), 1e9) - 1
        const page = await b.readChannel(channel, { since, limit: 1_000 })
        expect(stored.length === 0 ? [] : page.events).toEqual(stored)
      },
    ),
    { numRuns: 40 },
  )
})

test('the info of the one who appended is kept beside the data', async () => {
  const channel = fresh()
  await a.append({ ...event(channel), info: { user: 'ann', client: 'c1', connInfo: '{"n":1}' } })
  const { events } = await b.readChannel(channel, { limit: 1 })
  expect(events[0]?.meta).toBe('{"user":"ann","client":"c1","conn_info":{"n":1}}')
})

test('what was stored is made known before the append resolves, in position order and without holes', async () => {
  const heard: StoredEvent[] = []
  const stop = a.onStored(events => heard.push(...events))
  const channels = Array.from({ length: 5 }, fresh)
  await Promise.all(
    Array.from({ length: 300 }, (_, i) =>
      a.append(event(channels[i % 5] ?? '', String(i))).then(outcome => {
        if (outcome.kind === 'stored') expect(heard).toContainEqual(outcome.event)
      }),
    ),
  )
  stop()
  expect(heard).toHaveLength(300)
  const last = new Map<number, number>()
  for (const { partition, position } of heard) {
    expect(position).toBe((last.get(partition) ?? position - 1) + 1)
    last.set(partition, position)
  }
})

test('a listener that throws fails neither the append nor the other listeners', async () => {
  const heard: StoredEvent[] = []
  const stops = [
    a.onStored(() => {
      throw new Error('no')
    }),
    a.onStored(events => heard.push(...events)),
  ]
  expect((await a.append(event(fresh()))).kind).toBe('stored')
  expect(heard).toHaveLength(1)
  for (const stop of stops) stop()
})

test('a client that holds a transaction open does not make anyone wait', async () => {
  const channel = fresh()
  await a.append(event(channel))
  const slow = await db.sql.reserve()
  try {
    await slow`begin isolation level repeatable read`
    await slow`select count(*) from holdfast.events`
    const outcomes = await Promise.all([a, b].map(ledger => ledger.append(event(channel, '2'))))
    expect(outcomes.map(({ kind }) => kind)).toEqual(['stored', 'stored'])
  } finally {
    await slow`rollback`
    slow.release()
  }
})

test('more lanes than one keep every promise of the numbering', async () => {
  const wide = await db.open({ lanes: 4 })
  const channels = Array.from({ length: 16 }, fresh)
  const outcomes = await Promise.all(
    Array.from({ length: 1_600 }, (_, i) => wide.append(event(channels[i % 16] ?? '', String(i)))),
  )
  for (const [i, channel] of channels.entries()) {
    const offsets = outcomes.filter((_, n) => n % 16 === i).map(offsetOf)
    expect([channel, offsets]).toEqual([channel, Array.from({ length: 100 }, (_, n) => n + 1)])
  }
})

test('more than may wait is refused for now', async () => {
  const narrow = await db.open({ limits: { waitingBytes: 5_000 } })
  const ends = await Promise.allSettled(Array.from({ length: 50 }, () => narrow.append(event(fresh()))))
  const refused = ends.filter(end => end.status === 'rejected')
  expect(refused.length).toBeGreaterThan(0)
  for (const end of refused) expect(end.reason).toMatchObject({ code: 'OVERLOADED', remedy: 'retry_later' })
  expect((await narrow.append(event(fresh()))).kind).toBe('stored')
})

test('closing waits for what was taken and takes nothing more', async () => {
  const closing = await db.open()
  const channel = fresh()
  const taken = Array.from({ length: 700 }, (_, i) => closing.append(event(channel, String(i))))
  const closed = closing.close()
  await expect(closing.append(event(channel))).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
  expect((await Promise.all(taken)).at(-1)).toMatchObject({ kind: 'stored', event: { offset: 700 } })
  await closed
})
