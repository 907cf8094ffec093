import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { eventIdFrom, newEventId } from '../../domain/index.ts'
import type { Ledger } from './ledger.ts'

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
const one = (channel: string, data = '1', id = newEventId()) => ({ channel, type: 'T', data, id })

/** The events of a command of so many, which are its own by their ids. */
function several(channel: string, count: number, expectedOffset: number, command = newEventId()) {
  return Array.from({ length: count }, (_, i) => ({
    ...one(channel, String(i), eventIdFrom(command, String(i))),
    ...(i === 0 && { expectedOffset }),
  }))
}

async function offsets(channel: string): Promise<readonly string[]> {
  const { events } = await a.readChannel(channel, { limit: 1_000 })
  expect(events.map(event => event.offset)).toEqual(events.map((_, i) => i + 1))
  return events.map(({ id }) => id)
}

test('all are recorded next to each other, and a repetition finds the first and records nothing', async () => {
  const channel = fresh()
  const events = several(channel, 3, 0)
  const stored = await a.appendTogether(events)
  expect(stored).toMatchObject({ kind: 'stored', events: [{ offset: 1 }, { offset: 2 }, { offset: 3 }] })
  expect(await b.appendTogether(events)).toMatchObject({ kind: 'duplicate', offset: 1 })
  const [first] = events
  const more = [...events, one(channel)]
  expect(await b.appendTogether(more)).toMatchObject({ kind: 'duplicate', offset: 1 })
  const other = [{ ...(first ?? one(channel)), data: '"other"', expectedOffset: 3 }, one(channel)]
  expect(await b.appendTogether(other)).toMatchObject({ kind: 'refused' })
  expect(await offsets(channel)).toEqual(events.map(({ id }) => id))
})

test('a conflict of the first is that of all, also where the second would fit', async () => {
  const channel = fresh()
  await a.append(one(channel))
  // Offset 1 is what the second would be behind, had the first been recorded.
  expect(await b.appendTogether(several(channel, 2, 0))).toEqual({ kind: 'conflict', head: 1 })
  expect(await offsets(channel)).toHaveLength(1)
})

test('of several in one batch each is whole, and nothing of another is between its events', async () => {
  const channel = fresh()
  const commands = [
    several(channel, 2, 0),
    several(channel, 3, 2),
    several(channel, 2, 2),
    several(channel, 1, 5),
  ]
  const outcomes = await Promise.all([
    ...commands.map(events => a.appendTogether(events)),
    a.append(one(channel)),
  ])
  expect(outcomes.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'conflict', 'stored', 'stored'])
  const expected = [commands[0], commands[1], commands[3]].flatMap(
    events => events?.map(({ id }) => id) ?? [],
  )
  expect((await offsets(channel)).slice(0, 6)).toEqual(expected)
})

test('none is recorded where an id of a later one is taken, in the ledger or in the same batch', async () => {
  const channel = fresh()
  const taken = several(channel, 3, 0)
  await a.append(one(channel, '2', taken[2]?.id))
  const [first = one(channel), ...rest] = taken
  for (const expectedOffset of [0, 1]) {
    expect(await a.appendTogether([{ ...first, expectedOffset }, ...rest])).toMatchObject({ kind: 'refused' })
  }
  const events = several(channel, 2, 2)
  const [alone, together] = await Promise.all([
    a.append(one(channel, '1', events[1]?.id)),
    a.appendTogether(events),
  ])
  expect([alone?.kind, together?.kind]).toEqual(['stored', 'conflict'])
  expect(await offsets(channel)).toHaveLength(2)
})

test('what cannot be recorded takes all the others with it, and harms no neighbour', async () => {
  const channel = fresh()
  const neighbour = fresh()
  const [bad, other, good] = await Promise.all([
    a.appendTogether([...several(channel, 1, 0), one(channel, '"\u0000"')]),
    a.appendTogether([...several(channel, 1, 0), one(neighbour)]),
    a.append(one(neighbour)),
  ])
  expect(bad).toMatchObject({ kind: 'refused', code: 'PAYLOAD_INVALID' })
  expect(other).toMatchObject({ kind: 'refused', code: 'PAYLOAD_INVALID' })
  expect(good?.kind).toBe('stored')
  expect(await offsets(channel)).toEqual([])
})

test('whatever is appended by two nodes at once, commands are there wholly and in one piece, or not at all', async () => {
  const step = fc.record({
    node: fc.integer({ min: 0, max: 1 }),
    command: fc.integer({ min: 0, max: 4 }),
    count: fc.integer({ min: 1, max: 4 }),
    expected: fc.integer({ min: 0, max: 6 }),
    alone: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 4 }), async rounds => {
      const channel = fresh()
      const ids = Array.from({ length: 5 }, newEventId)
      const stored = new Map<string, number>()
      for (const round of rounds) {
        await Promise.all(
          round.map(async ({ node, command, count, expected, alone }) => {
            const ledger = node === 0 ? a : b
            if (alone) return void (await ledger.append(one(channel)))
            const id = ids[command] ?? ''
            const outcome = await ledger.appendTogether(several(channel, count, expected, id))
            if (outcome.kind !== 'stored') return
            expect(stored.has(id)).toBe(false)
            expect(outcome.events[0]?.offset).toBe(expected + 1)
            stored.set(id, count)
          }),
        )
      }
      const there = await offsets(channel)
      for (const id of ids) {
        const places = [0, 1, 2, 3].map(i => there.indexOf(eventIdFrom(id, String(i))))
        const count = stored.get(id) ?? 0
        const start = places[0] ?? -1
        expect(places).toEqual([0, 1, 2, 3].map(i => (i < count ? start + i : -1)))
      }
    }),
    { numRuns: 60 },
  )
})
