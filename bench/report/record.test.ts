import { expect, test } from 'vitest'
import { falls, type Recorded, recordOver } from './record.ts'
import { higher, lower, type Part } from './rows.ts'

const part = (value: number | undefined, judged = true): Part => ({
  name: 'room',
  title: '',
  details: {},
  notes: [],
  rows: [
    { what: '', unit: '', holdfast: 1, others: {}, ratio: { key: 'room.cpu', to: 'naive', value, judged } },
  ],
})
const recorded = (ratios: Record<string, number>): Recorded => ({
  at: '',
  seconds: 2,
  machine: { cores: 2, model: '', memoryGiB: 1, kernel: '', node: '', services: {} },
  ratios,
})

test('a ratio falls when it is less than half of the recorded one', () => {
  expect(falls([part(0.99)], recorded({ 'room.cpu': 2 }))).toEqual([
    { key: 'room.cpu', recorded: 2, now: 0.99 },
  ])
  expect(falls([part(1)], recorded({ 'room.cpu': 2 }))).toEqual([])
})

test('judges nothing that was not recorded, not measured, or is too restless', () => {
  expect(falls([part(0.1)], recorded({}))).toEqual([])
  expect(falls([part(undefined)], recorded({ 'room.cpu': 2 }))).toEqual([])
  expect(falls([part(0.1, false)], recorded({ 'room.cpu': 2 }))).toEqual([])
})

test('a ratio above 1 means better, whichever direction the unit has', () => {
  expect(higher(200, 100)).toBe(2)
  expect(lower(5, 10)).toBe(2)
  expect(lower(undefined, 10)).toBeUndefined()
})

test('recording some parts anew keeps the ratios of the others', () => {
  const report = { ...recorded({ 'room.cpu': 3 }), parts: [part(3)] }
  const kept = recordOver(recorded({ 'room.cpu': 2, 'turn.alone': 1 }), report)
  expect(kept.ratios).toEqual({ 'room.cpu': 3, 'turn.alone': 1 })
  expect(kept).not.toHaveProperty('parts')
})
