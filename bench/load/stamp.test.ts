import { expect, test } from 'vitest'
import { readDueUs, readStep, stamped, stampPlace } from './stamp.ts'

test('is 128 bytes of JSON whatever the moment', () => {
  for (const dueUs of [0, 1, 123_456.7, 999_999_999_999]) {
    const text = stamped(dueUs, 42)
    expect(Buffer.byteLength(text)).toBe(128)
    expect(JSON.parse(text)).toMatchObject({ step: '42' })
  }
})

test('gives back when a message was due and in which step', () => {
  const line = Buffer.from(`{"push":{"channel":"load:r0001","pub":{"data":${stamped(987_654_321, 17)}}}}`)
  const at = stampPlace(line)
  expect(readDueUs(line, at)).toBe(987_654_321)
  expect(readStep(line, at)).toBe(17)
})
