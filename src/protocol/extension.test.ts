import { describe, expect, it } from 'vitest'
import { parseAck, parseAppend, parseCommand, parseCursor, parseSignal } from './extension.ts'

describe('holdfast.ack', () => {
  const asked = { channel: 'order:1', cursor: 'inbox', offset: 3 }

  it('names a channel, a cursor and an offset, and the epoch where it is known', () => {
    expect(parseAck(JSON.stringify(asked))).toEqual(asked)
    expect(parseAck(JSON.stringify({ ...asked, epoch: '', user: 'somebody else' }))).toEqual(asked)
    expect(parseAck(JSON.stringify({ ...asked, token: 't' }))).toEqual({ ...asked, token: 't' })
    expect(parseAck(JSON.stringify({ ...asked, offset: 0, epoch: 'a1b2' }))).toEqual({
      ...asked,
      offset: 0,
      epoch: 'a1b2',
    })
  })

  it.each([
    [undefined, /object/],
    [[], /object/],
    [{ ...asked, channel: '' }, /channel is missing/],
    [{ ...asked, cursor: undefined }, /cursor is missing/],
    [{ ...asked, cursor: 5 }, /cursor to be a string/],
    [{ ...asked, offset: undefined }, /offset is missing/],
    [{ ...asked, offset: -1 }, /integer/],
    [{ ...asked, offset: 1.5 }, /integer/],
    [{ ...asked, offset: '3' }, /integer/],
    [{ ...asked, offset: 2 ** 53 }, /integer/],
    [{ ...asked, epoch: 'a\0b' }, /epoch/],
    [{ ...asked, epoch: 'x'.repeat(65) }, /epoch/],
    [{ ...asked, token: 7 }, /token to be a string/],
    [{ ...asked, epoch: 7 }, /epoch to be a string/],
  ])('refuses %j', (data, message) => {
    expect(() => parseAck(data && JSON.stringify(data))).toThrow(message)
  })
})

describe('holdfast.cursor', () => {
  it('names a channel and a cursor', () => {
    expect(parseCursor('{"channel":"order:1","cursor":"inbox"}')).toEqual({
      channel: 'order:1',
      cursor: 'inbox',
    })
    expect(() => parseCursor('{"channel":"order:1"}')).toThrow(/cursor is missing/)
    expect(() => parseCursor(undefined)).toThrow(/object/)
  })
})

describe('a client’s own trace', () => {
  it('is passed on, and refuses no message whatever stands there', () => {
    const asked = { channel: 'order:1', type: 'Placed', command: 'place', data: 1 }
    for (const parse of [parseAppend, parseCommand, parseSignal]) {
      const tracing = (traceparent: unknown) => parse(JSON.stringify({ ...asked, traceparent })).traceparent
      expect(tracing('00-ab-cd-01')).toBe('00-ab-cd-01')
      for (const other of [7, { a: 1 }, [], true, null, undefined]) expect(tracing(other)).toBeUndefined()
    }
  })
})
