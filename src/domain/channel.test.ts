import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { channelPattern, checkChannel, isPrivate, maxChannelLength, namespaceOf } from './channel.ts'

describe('the name of a channel', () => {
  it.each(['a', 'room:42', '$room:42', 'dialog#ann,bob', '~!@%^&*(){}', 'x'.repeat(maxChannelLength)])(
    'may be %s',
    name => {
      expect(checkChannel(name)).toBe(name)
    },
  )

  it.each(['', ' ', 'a b', 'ä', 'a\n', '\u0000', '\ud800', '\u007f', 'x'.repeat(maxChannelLength + 1)])(
    'may not be %j',
    name => {
      expect(() => checkChannel(name)).toThrow(expect.objectContaining({ code: 'CHANNEL_INVALID' }))
    },
  )

  it.each([
    ['room:42', 'room', false],
    ['room:42:more', 'room', false],
    ['$room:42', 'room', true],
    ['42', '', false],
    ['$42', '', true],
    [':42', '', false],
    ['$$room:42', '$room', true],
    ['__proto__:a', '__proto__', false],
  ])('%s is in the namespace %j (private: %s)', (name, namespace, hidden) => {
    expect(namespaceOf(name)).toBe(namespace)
    expect(isPrivate(name)).toBe(hidden)
  })
})

describe('a channel pattern', () => {
  it.each([
    ['room:{room}', 'room:42', { room: '42' }],
    ['room:{room}', 'room:', undefined],
    ['room:{room}', 'room:42:more', undefined],
    ['room:{room}', 'xroom:42', undefined],
    ['room:{room}', '$room:42', undefined],
    ['order:{id}:lines', 'order:7:lines', { id: '7' }],
    ['{kind}:{id}', 'order:7', { kind: 'order', id: '7' }],
    ['quakes:*', 'quakes:all:of:them', {}],
    ['quakes:*', 'quakes:', {}],
    ['order:{id}:*', 'order:7:a:b', { id: '7' }],
    ['a.b+c', 'a.b+c', {}],
    ['a.b+c', 'aXbbc', undefined],
    ['dialog#{users}', 'dialog#ann,bob', { users: 'ann,bob' }],
    ['*', '~home', {}],
    ['*', '~durable:7', undefined],
    ['{any}:{id}', '$~realtime:7', undefined],
  ])('%s takes %s as %j', (pattern, channel, params) => {
    expect(channelPattern(pattern).match(channel)).toEqual(params)
  })

  it.each([
    'room:{}',
    'room:{a b}',
    'room:{1}',
    '{a}:{a}',
    'room:{a',
    'room:a}',
    'room:{{a}}',
    'a:*:b',
    '**',
    '~durable:{any}',
  ])('cannot be %s', pattern => {
    expect(() => channelPattern(pattern)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })

  it('without braces and star matches itself and nothing else, whatever its characters', () => {
    const name = fc.string({ minLength: 1, maxLength: 8 }).filter(text => !/[{}*]|^\$?~/.test(text))
    fc.assert(
      fc.property(name, name, (pattern, other) => {
        expect(channelPattern(pattern).match(pattern)).toEqual({})
        if (other !== pattern) expect(channelPattern(pattern).match(other)).toBeUndefined()
      }),
    )
  })
})
