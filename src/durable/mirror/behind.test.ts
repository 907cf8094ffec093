import { expect, it } from 'vitest'
import { type Behind, seenBehind } from './behind.ts'

/** How long a mirror has been behind at each look; they are a second apart. */
function ages(looks: readonly { last: number; head: number }[]): readonly (number | undefined)[] {
  let behind: Behind | undefined
  return looks.map((look, now) => {
    behind = seenBehind(behind, look, now)
    return behind && now - behind.since
  })
}

it('is no older than a look or two while events come all the time and the mirror follows', () => {
  const looks = Array.from({ length: 100 }, (_, i) => ({ last: 10 * i, head: 10 * i + 3 }))
  expect(Math.max(...ages(looks).map(Number))).toBe(0)
  const slower = Array.from({ length: 100 }, (_, i) => ({ last: 10 * i, head: 10 * i + 13 }))
  expect(Math.max(...ages(slower).map(Number))).toBe(1)
})

it('grows while the same event is missing, whatever comes behind it, and ends with it', () => {
  const looks = [
    { last: 5, head: 7 },
    { last: 5, head: 9 },
    { last: 6, head: 30 },
    { last: 7, head: 30 },
    { last: 7, head: 31 },
    { last: 31, head: 31 },
    { last: 31, head: 32 },
  ]
  expect(ages(looks)).toEqual([0, 1, 2, 0, 1, undefined, 0])
})

it('counts for how many looks the mirror has stood still', () => {
  const first = seenBehind(undefined, { last: 5, head: 7 }, 0)
  const second = seenBehind(first, { last: 5, head: 8 }, 1)
  expect([first?.still, second?.still, seenBehind(second, { last: 6, head: 8 }, 2)?.still]).toEqual([1, 2, 1])
  expect(second).toMatchObject({ lag: 3, last: 5 })
})
