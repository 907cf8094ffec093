import { expect, it } from 'vitest'
import { SwitchPatience } from './switch-patience.ts'

it('tries each build in vain later and later, and for longer, within bounds', () => {
  let now = 0
  const patience = new SwitchPatience(() => now)
  const waits: (number | undefined)[] = []
  const pauses: number[] = []
  for (let i = 0; i < 9; i++) {
    waits.push(patience.waitMs('a'))
    patience.inVain('a')
    const failed = now
    while (patience.waitMs('a') === undefined) now += 250
    pauses.push(now - failed)
  }
  expect(waits).toEqual([3_000, 6_000, 12_000, 24_000, 30_000, 30_000, 30_000, 30_000, 30_000])
  expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
  patience.inVain('a')
  expect([patience.waitMs('a'), patience.waitMs('b')]).toEqual([undefined, 3_000])
  patience.forget('a')
  expect(patience.waitMs('a')).toBe(3_000)
})
