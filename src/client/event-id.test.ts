import { version } from 'uuid'
import { expect, it } from 'vitest'
import { newEventId } from './event-id.ts'

it('makes UUIDs of version 7 that carry their time and sort by it', () => {
  const now = Date.UTC(2031, 4, 17, 12, 30, 1, 234)
  const id = newEventId(now)
  expect(version(id)).toBe(7)
  expect('89ab').toContain(id[19])
  expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(now)
  expect(newEventId(now) < newEventId(now + 1)).toBe(true)
})

it('never makes the same one twice', () => {
  const ids = new Set(Array.from({ length: 20_000 }, () => newEventId(5)))
  expect(ids.size).toBe(20_000)
})
