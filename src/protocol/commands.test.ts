import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asHoldfastError } from '../domain/index.ts'
import { parseFrame } from './commands.ts'

const refusal = (text: string): string => {
  try {
    return `accepted: ${JSON.stringify(parseFrame(text))}`
  } catch (error) {
    return asHoldfastError(error).code
  }
}

describe('parseFrame', () => {
  it('reads every command of the protocol', () => {
    const frame = [
      '{"id":1,"connect":{"token":"t","data":{"a":1},"subs":{"c":{"recover":true,"epoch":"e","offset":7},"d":{}},"name":"js","version":"5","headers":{"X-A":"b"}}}',
      '{"id":2,"subscribe":{"channel":"c","token":"t","recover":true,"epoch":"e","offset":3,"positioned":true,"flag":3}}',
      '{"id":3,"unsubscribe":{"channel":"c"}}',
      '{"id":4,"publish":{"channel":"c","data":{"x": 1.0}}}',
      '{"id":5,"presence":{"channel":"c"}}',
      '{"id":6,"presence_stats":{"channel":"c"}}',
      '{"id":7,"history":{"channel":"c","limit":-1,"since":{"offset":2,"epoch":"e"},"reverse":true}}',
      '{"id":8,"rpc":{"method":"m","data":[1,2]}}',
      '{"send":{"data":{}}}',
      '{"id":9,"refresh":{"token":"t"}}',
      '{"id":10,"sub_refresh":{"channel":"c","token":"t"}}',
      '{}',
    ].join('\n')
    expect(parseFrame(frame)).toEqual([
      {
        kind: 'connect',
        id: 1,
        token: 't',
        data: '{"a":1}',
        name: 'js',
        version: '5',
        headers: { 'x-a': 'b' },
        recover: new Map([['c', { offset: 7, epoch: 'e' }]]),
      },
      {
        kind: 'subscribe',
        id: 2,
        channel: 'c',
        token: 't',
        recover: { offset: 3, epoch: 'e' },
        positioned: true,
        recoverable: false,
        rejectUnrecovered: true,
        unsupported: undefined,
      },
      { kind: 'unsubscribe', id: 3, channel: 'c' },
      { kind: 'publish', id: 4, channel: 'c', data: '{"x": 1.0}' },
      { kind: 'presence', id: 5, channel: 'c' },
      { kind: 'presence_stats', id: 6, channel: 'c' },
      { kind: 'history', id: 7, channel: 'c', limit: -1, since: { offset: 2, epoch: 'e' }, reverse: true },
      { kind: 'rpc', id: 8, method: 'm', data: '[1,2]' },
      { kind: 'send', id: 0 },
      { kind: 'refresh', id: 9, token: 't' },
      { kind: 'sub_refresh', id: 10, channel: 'c', token: 't' },
      { kind: 'pong' },
    ])
  })

  it('takes null for absent and a newline at the end for nothing', () => {
    expect(
      parseFrame('{"id":1,"history":{"channel":"c","since":null,"limit":null},"connect":null}\n'),
    ).toEqual([{ kind: 'history', id: 1, channel: 'c', limit: 0, since: undefined, reverse: false }])
  })

  it('keeps an explicit null as data', () => {
    expect(parseFrame('{"id":1,"publish":{"channel":"c","data":null}}')).toMatchObject([{ data: 'null' }])
  })

  it.each([
    ['nothing', ''],
    ['a newline alone', '\n'],
    ['a blank line between commands', '{}\n\n{}'],
    ['broken JSON', '{"id":1'],
    ['an array', '[{"id":1}]'],
    ['a number', '1'],
    ['a command without method', '{"id":1}'],
    ['an unknown method', '{"id":1,"dance":{}}'],
    ["the client's own ping", '{"id":1,"ping":{}}'],
    ['a command without id', '{"publish":{"channel":"c","data":1}}'],
    ['a negative id', '{"id":-1,"rpc":{}}'],
    ['an id beyond 32 bits', '{"id":4294967296,"rpc":{}}'],
    ['an id that is text', '{"id":"1","rpc":{}}'],
    ['a method that is no object', '{"id":1,"rpc":1}'],
    ['a channel that is missing', '{"id":1,"subscribe":{}}'],
    ['a channel that is no text', '{"id":1,"subscribe":{"channel":5}}'],
    ['data that is missing', '{"id":1,"publish":{"channel":"c"}}'],
    ['a negative offset', '{"id":1,"subscribe":{"channel":"c","recover":true,"offset":-1}}'],
    [
      'an offset beyond exact numbers',
      '{"id":1,"subscribe":{"channel":"c","recover":true,"offset":9007199254740993}}',
    ],
    ['an unknown delta', '{"id":1,"subscribe":{"channel":"c","delta":"vcdiff"}}'],
    ['a second line that is broken', '{"id":1,"rpc":{}}\n{'],
    ['subs that are no object', '{"id":1,"connect":{"subs":[]}}'],
    ['a header that is no text', '{"id":1,"connect":{"headers":{"a":1}}}'],
  ])('refuses %s', (_, frame) => {
    expect(refusal(frame)).toBe('FRAME_INVALID')
  })

  it('survives deep nesting', () => {
    const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`
    expect(parseFrame(`{"id":1,"publish":{"channel":"c","data":${deep}}}`)).toMatchObject([{ data: deep }])
    expect(refusal('['.repeat(60_000))).toBe('FRAME_INVALID')
  })

  it('reaches nothing that objects inherit', () => {
    expect(refusal('{"id":1,"toString":{}}')).toBe('FRAME_INVALID')
    expect(refusal('{"id":1,"__proto__":{"rpc":{"method":"m"}}}')).toBe('FRAME_INVALID')
    expect(parseFrame('{"id":1,"rpc":{"__proto__":{"method":"evil"}}}')).toMatchObject([{ method: '' }])
  })

  it('either reads a frame or refuses it, whatever the bytes', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '"',
      ':',
      ',',
      '\\',
      '\n',
      '[',
      ']',
      ' ',
      '1',
      'id',
      'data',
      'publish',
      'rpc',
    )
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece, { maxLength: 60 }).map(pieces => pieces.join('')),
      fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes).toString()),
      fc.json(),
    )
    fc.assert(
      fc.property(text, frame => {
        const outcome = refusal(frame)
        return outcome === 'FRAME_INVALID' || outcome.startsWith('accepted')
      }),
      { numRuns: 3_000 },
    )
  })

  it('carries data exactly as it came', () => {
    const space = fc.constantFrom('', ' ', '\t', '\r', ' \t ')
    fc.assert(
      fc.property(fc.json({ noUnicodeString: false }), space, space, (json, before, after) => {
        const data = json.replaceAll('\n', ' ')
        const line = `{ "id" :1,"publish":{"x":"\\"}","data"${before}:${before}${data}${after},"channel":"c"}${after}}`
        expect(parseFrame(line)).toMatchObject([{ channel: 'c', data }])
      }),
      { numRuns: 2_000 },
    )
  })

  it('keeps numbers that JavaScript could not', () => {
    const data = '{"n":12345678901234567890.10, "e":1e400, "same":1, "same":2, "u":"\\u00e9\\/"}'
    expect(parseFrame(`{"id":1,"rpc":{"method":"m","data":${data}}}`)).toMatchObject([{ data }])
  })
})
