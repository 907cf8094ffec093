import { expect, it } from 'vitest'
import { HighWater } from './high-water.ts'

/** `over` after each reading. */
function after(readings: readonly number[], options = { high: 100, low: 50 }): string {
  const water = new HighWater(options)
  return readings
    .map(reading => {
      const before = water.over
      expect(water.take(reading)).toBe(water.over !== before)
      return water.over ? 'O' : '.'
    })
    .join('')
}

it('is over after two high readings in a row, and not after one', () => {
  expect(after([100, 0, 300, 99, 100, 100, 100])).toBe('.....OO')
})

it('falls after four low ones in a row; what lies between the marks holds it', () => {
  expect(after([200, 200, 50, 50, 50, 51, 50, 50, 50, 50, 0])).toBe('.OOOOOOOO..')
  expect(after([200, 200, 99, 51, 99, 51, 99])).toBe('.OOOOOO')
})

it('does not rise again at once, and never rises where it is turned off', () => {
  expect(after([100, 100, 0, 0, 0, 0, 100, 100])).toBe('.OOOO..O')
  expect(after([1e9, 1e9, 1e9], { high: 0, low: -1 })).toBe('...')
})
