import { expect, test } from 'vitest'
import { newEventId } from '../../domain/index.ts'
import type { EntryResult } from './append-batch.ts'
import { type Entry, entryOf } from './entry.ts'
import { outcomeOf, storedEvents, unheardRuns } from './outcomes.ts'

function entry(channel: string): Entry {
  const made = entryOf({ channel, type: 'T', data: '1', id: newEventId() }, 1)
  if (typeof made === 'string') throw new Error(made)
  return made
}
const result = (outcome: string, position: number | null, offset = 1): EntryResult => ({
  outcome,
  position,
  offset,
  time: 7,
})

test('each letter of the database is one outcome', () => {
  const one = entry('a')
  expect(outcomeOf(one, result('s', 3))).toMatchObject({
    kind: 'stored',
    event: { id: one.id, position: 3, time: 7 },
  })
  expect(outcomeOf(one, result('d', 3, 9))).toEqual({ kind: 'duplicate', offset: 9, time: 7 })
  expect(outcomeOf(one, result('c', null, 9))).toEqual({ kind: 'conflict', head: 9 })
  expect(outcomeOf(one, result('r', null))).toMatchObject({
    kind: 'refused',
    reason: expect.stringContaining(one.id),
  })
})

test('what a batch stored is told in position order, whatever order it was sent in', () => {
  const entries = ['b', 'a', 'b'].map(entry)
  const outcomes = [result('s', 6), result('c', null), result('s', 5)].map((r, i) =>
    outcomeOf(entries[i] as Entry, r),
  )
  expect(storedEvents(outcomes).map(({ position }) => position)).toEqual([5, 6])
})

test('of a repeated batch everything above the known position is told, in runs without holes', () => {
  const entries = ['a', 'a', 'a', 'b', 'b', 'b', 'c'].map(entry)
  const results = [
    result('d', 11),
    result('d', 10),
    result('d', 4),
    result('s', 14),
    result('d', null),
    result('d', 11),
    result('r', 12),
  ]
  const runs = unheardRuns(entries, results, () => 4)
  expect(runs.map(run => run.map(({ position }) => position))).toEqual([[10, 11], [14]])
})
