import { expect, test } from 'vitest'
import { partitionOf } from './partition-of.ts'

test('a channel lies in the same partition for ever', () => {
  const golden: [string, number, number][] = [
    ['a', 51, 715],
    ['order:7', 9, 673],
    ['chat:room:42', 28, 700],
    ['$private:1', 17, 321],
    ['quakes:all', 58, 906],
    ['x'.repeat(255), 42, 906],
  ]
  for (const [channel, of64, of1000] of golden) {
    expect([channel, partitionOf(channel, 64), partitionOf(channel, 1000)]).toEqual([channel, of64, of1000])
    expect(partitionOf(channel, 1)).toBe(0)
  }
})

test('names that differ in a counter spread evenly', () => {
  const counts = new Array<number>(64).fill(0)
  for (let i = 0; i < 6_400; i++) {
    const partition = partitionOf(`order:${i}`, 64)
    counts[partition] = (counts[partition] ?? 0) + 1
  }
  expect(Math.min(...counts)).toBeGreaterThan(60)
  expect(Math.max(...counts)).toBeLessThan(150)
})
