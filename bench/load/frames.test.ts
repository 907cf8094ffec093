import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameWalk, maskedText, plainText } from './frames.ts'

test('finds every frame whatever pieces the bytes come in', () => {
  const texts = fc.array(
    fc.nat(70_000).map(size => 'x'.repeat(size)),
    { minLength: 1, maxLength: 4 },
  )
  fc.assert(
    fc.property(texts, fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1 }), (all, sizes) => {
      const bytes = Buffer.concat(all.map(plainText))
      const lengths: number[] = []
      const read: string[] = []
      const walk = new FrameWalk({
        begin: (_opcode, length) => lengths.push(length) % 2 === 1,
        payload: (_opcode, payload) => read.push(payload.toString()),
      })
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const size = sizes[i % sizes.length] as number
        walk.walk(bytes, at, Math.min(bytes.length, at + size))
        at += size
      }
      expect(lengths).toEqual(all.map(text => text.length))
      expect(read).toEqual(all.filter((_, i) => i % 2 === 0))
    }),
    { numRuns: 50 },
  )
})

test('masks with zero, so that the payload of a client frame can be read as it is', () => {
  const frame = maskedText('{"id":1}')
  expect([...frame.subarray(0, 6)]).toEqual([0x81, 0x80 | 8, 0, 0, 0, 0])
  expect(frame.toString('utf8', 6)).toBe('{"id":1}')
})
