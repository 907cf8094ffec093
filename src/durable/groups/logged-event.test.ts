import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { StoredEvent } from '../../domain/index.ts'
import { entryOf } from '../mirror/entry.ts'
import { loggedEvent } from './logged-event.ts'

const event = (more: Partial<StoredEvent>): StoredEvent => ({
  channel: 'order:1',
  offset: 7,
  position: 12,
  partition: 3,
  id: '0190a0b0-0000-7000-8000-000000000001',
  type: 'OrderPlaced',
  data: '{"a":1}',
  meta: null,
  time: 1_700_000_000_000,
  ...more,
})
const back = (stored: StoredEvent) => loggedEvent(entryOf(stored))

it('gives back every event that was mirrored', () => {
  const text = fc.string({ unit: 'grapheme' }).filter(value => value.isWellFormed())
  const tricky = fc.constantFrom(
    ',"offset":9',
    ',"info":{"user":"x"}',
    '},"time":1',
    '\\',
    '"',
    ',"tags":{"id":"',
  )
  const part = fc.oneof(text, tricky)
  fc.assert(
    fc.property(
      fc.jsonValue({ maxDepth: 3 }),
      fc.dictionary(part, part, { maxKeys: 3 }),
      part.filter(type => type.length > 0),
      fc.option(part),
      fc.stringMatching(/^[\x21-\x7e]{1,30}$/),
      (value, extra, type, user, channel) => {
        const meta = user === null ? null : JSON.stringify({ user, client: 'c', conn_info: extra })
        const data = JSON.stringify({ ...extra, value, offset: 1, info: { a: 1 }, tags: {}, time: 0 })
        const stored = event({ channel, type, data, meta })
        expect(back(stored)).toEqual(stored)
      },
    ),
  )
})

it.each(['"text"', '7', 'null', '[1, 2]', '{ "info" : {"x":1} ,"data":2}'])('keeps %s as it is', data => {
  expect(back(event({ data })).data).toBe(data)
  expect(back(event({ data, meta: '{"client":"c"}' }))).toMatchObject({ data, meta: '{"client":"c"}' })
})

it('has a blank where a line break stood', () => {
  expect(back(event({ data: '{\n"a":\n1}' })).data).toBe('{ "a": 1}')
})
