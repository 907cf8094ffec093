import { expect, test } from 'vitest'
import { newEventId } from '../../domain/index.ts'
import { entryOf } from './entry.ts'

const event = { channel: 'order:7', type: 'Paid', data: '{"a":1}', id: newEventId() }

test('an event is normalised and knows its partition', () => {
  expect(
    entryOf({ ...event, id: event.id.toUpperCase(), info: { user: 'u', client: 'c' } }, 64),
  ).toMatchObject({
    channel: 'order:7',
    id: event.id,
    data: '{"a":1}',
    meta: '{"user":"u","client":"c"}',
    expectedOffset: null,
  })
})

test.each([
  ['a channel that is no name', { channel: 'with space' }],
  ['an id that is no UUID', { id: '42' }],
  ['an empty type', { type: '' }],
  ['a type of the server’s own', { type: 'holdfast.erased' }],
  ['a type that is too long', { type: 'T'.repeat(256) }],
  ['a NUL in the type', { type: 'T\u0000' }],
  ['a NUL in the data', { data: '"\u0000"' }],
  ['half of a surrogate pair', { data: '"\ud800"' }],
  ['half of a surrogate pair in the info', { info: { user: 'u', client: 'c', connInfo: '"\udc00"' } }],
  ['a negative expected offset', { expectedOffset: -1 }],
  ['a fraction as expected offset', { expectedOffset: 1.5 }],
  ['data larger than any frame', { data: `"${'x'.repeat(16_777_216)}"` }],
])('%s is refused before it can spoil a batch', (_, change) => {
  expect(entryOf({ ...event, ...change }, 64)).toBeTypeOf('string')
})

test('an escaped NUL and a whole surrogate pair are text like any other', () => {
  expect(entryOf({ ...event, data: String.raw`"\u0000 \ud800"` }, 64)).toBeTypeOf('object')
  expect(entryOf({ ...event, data: '"😀"' }, 64)).toBeTypeOf('object')
})
