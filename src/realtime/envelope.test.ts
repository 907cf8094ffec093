import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeMessage, encodeMarked, encodeMessage, lastWord, placedHead } from './envelope.ts'

const lines = '{"a":"ü"}\n{"b":2}'
const decode = (text: string, own = 'me') => decodeMessage(Buffer.from(text), own)

describe('a message between nodes', () => {
  it('carries lines untouched to all, to some, and to every node', () => {
    expect(decode(encodeMessage('n1', 'all', 2, 9, lines))).toMatchObject({
      kind: 'all',
      count: 2,
      at: 9,
      lines: Buffer.from(lines),
    })
    const whom = { user: 'a b\nü {}', exclude: 'c\ud800' }
    expect(decode(encodeMessage('n1', whom, 1, 9, lines))).toEqual({
      kind: 'some',
      count: 1,
      whom,
      at: 9,
      lines: Buffer.from(lines),
    })
    expect(decode(encodeMessage('n1', 'control', 1, 9, '{"x":"ü"}'))).toEqual({
      kind: 'control',
      from: 'n1',
      json: '{"x":"ü"}',
    })
  })

  it('has a header of ASCII words, whoever it is for', () => {
    const header = encodeMessage('n1', { user: 'ü \n' }, 1, 9, lines).split('\n')[0]
    expect(header).toMatch(/^[\x21-\x7e]+( [\x21-\x7e]+)+$/)
  })

  it("is recognised by its own node, but a numbered one is everybody's", () => {
    expect(decode(encodeMessage('me', 'all', 1, 9, lines)).kind).toBe('own')
    expect(decode(encodeMessage('me', { client: 'c' }, 1, 9, lines)).kind).toBe('own')
    expect(decode(`${placedHead('me', 'numbered')}12 epoch\n${lines}`)).toEqual({
      kind: 'numbered',
      place: { epoch: 'epoch', offset: 12 },
      mark: undefined,
      line: Buffer.from(lines),
    })
    expect(decode(`${placedHead('me', 'numbered')}12 epoch m.1\n${lines}`)).toMatchObject({ mark: 'm.1' })
    expect(decode(`${placedHead('me', 'skipped')}13 epoch\n`)).toEqual({
      kind: 'skipped',
      place: { epoch: 'epoch', offset: 13 },
    })
    expect(decode(encodeMarked('m.2', 9, lines))).toMatchObject({ kind: 'all', mark: 'm.2', at: 9, count: 1 })
    // From the release before.
    expect(decode(`1 n1 all 1\n${lines}`)).toMatchObject({ kind: 'all', mark: undefined, at: 0 })
  })

  it('carries the places of traced lines behind all that there was, where the release before reads past them', () => {
    const traces = '00-1-2-01,00-3-4-01'
    const all = encodeMessage('n1', 'all', 2, 9, lines, traces)
    expect(all.split('\n')[0]).toBe(`1 n1 all 2 - 9 ${traces}`)
    expect(decode(all)).toMatchObject({ kind: 'all', at: 9, traces, lines: Buffer.from(lines) })
    expect(decode(encodeMessage('n1', { user: 'u' }, 1, 9, lines, traces))).toMatchObject({
      kind: 'some',
      at: 9,
      traces,
    })
    expect(decode(encodeMarked('m.1', 9, lines, traces))).toMatchObject({ mark: 'm.1', at: 9, traces })
    const numbered = `${placedHead('n1', 'numbered')}12 epoch m.1${lastWord(traces)}\n${lines}`
    expect(decode(numbered)).toMatchObject({
      kind: 'numbered',
      mark: 'm.1',
      traces,
      line: Buffer.from(lines),
    })
    expect(decode(encodeMessage('n1', 'all', 1, 9, lines))).toMatchObject({ traces: undefined })
  })

  it('of another version or of no sense is foreign, and never throws', () => {
    for (const text of [
      '',
      'x',
      '2 n1 all 1\nx',
      '1 n1 other 1\nx',
      '1 n1 some 1 %\nx',
      '1 n1 some 1\nx',
      '1 n1 all\nx',
    ]) {
      expect(decode(text).kind).toBe('foreign')
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
        expect(decodeMessage(Buffer.from(bytes), 'me').kind).toBeTypeOf('string')
      }),
    )
  })
})
