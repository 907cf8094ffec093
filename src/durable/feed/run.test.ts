import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { above, lastOf, linesOf, parseRun } from './run.ts'

describe('a run of publications', () => {
  it('is cut above an offset, as text and as bytes alike', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ maxLength: 5 }).map(text => text.replaceAll('\n', '')),
          { minLength: 1, maxLength: 8 },
        ),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 30 }),
        fc.boolean(),
        (lines, first, offset, bytes) => {
          const text = bytes ? Buffer.from(lines.join('\n')) : lines.join('\n')
          const cut = above({ first, count: lines.length, text }, offset)
          const expected = lines.filter((_, i) => first + i > offset)
          expect(cut ? linesOf(cut) : []).toEqual(expected)
          if (cut)
            expect([cut.first, lastOf(cut)]).toEqual([Math.max(first, offset + 1), first + lines.length - 1])
          if (cut) expect(cut.count).toBe(expected.length)
        },
      ),
    )
  })

  it('is read from a bus message, and not from one of another version', () => {
    const run = parseRun(Buffer.from('1 41 2\n{"é":1}\n{}'))
    expect(run && { ...run, text: run.text.toString() }).toEqual({ first: 41, count: 2, text: '{"é":1}\n{}' })
    expect(parseRun(Buffer.from('2 41 2\n{}\n{}'))).toBeUndefined()
    expect(parseRun(Buffer.from('1 41 2'))).toBeUndefined()
  })
})
