import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sliceAt } from './json-slice.ts'

describe('sliceAt', () => {
  it('finds a value by its path', () => {
    expect(sliceAt('{"a":{"b":[1, 2]},"c":"x"}', ['a', 'b'])).toBe('[1, 2]')
    expect(sliceAt(' {"c" : "x\\"y" }', ['c'])).toBe('"x\\"y"')
    expect(sliceAt(' 5 ', [])).toBe('5')
  })

  it('says undefined where there is none', () => {
    expect(sliceAt('{"a":1}', ['b'])).toBeUndefined()
    expect(sliceAt('{"a":1}', ['a', 'b'])).toBeUndefined()
    expect(sliceAt('[1]', ['0'])).toBeUndefined()
    expect(sliceAt('{}', ['a'])).toBeUndefined()
  })

  it('takes the last of equal keys, also where one is written with escapes', () => {
    expect(sliceAt('{"a":1,"a":2}', ['a'])).toBe('2')
    expect(sliceAt('{"a":1,"\\u0061":2}', ['a'])).toBe('2')
  })

  it('is not misled by braces, quotes and backslashes inside strings', () => {
    expect(sliceAt('{"x":"}\\\\","y":"\\\\\\"{","a":"\\\\"}', ['a'])).toBe('"\\\\"')
  })

  it('agrees with JSON.parse for every member of every object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(3), (object, indent) => {
        const json = JSON.stringify(object, null, indent)
        const parsed = JSON.parse(json) as Record<string, unknown>
        for (const key of Object.keys(parsed)) {
          expect(JSON.parse(sliceAt(json, [key]) ?? 'null')).toEqual(parsed[key])
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it('ends, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, key) => {
        sliceAt(text, [key])
        sliceAt(`{${text}`, [key, key])
      }),
      { numRuns: 2_000 },
    )
  })
})
