import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BusBatch } from './bus-batch.ts'
import { decodeMessage } from './envelope.ts'

describe('what waits for the bus', () => {
  it('travels as one message per channel where nothing stands between', () => {
    const batch = new BusBatch()
    for (const line of ['1', '2', '3']) {
      batch.add('x', 'all', line)
      batch.add('y', 'all', line)
    }
    expect(batch.count).toBe(6)
    expect(batch.take('n', 10, 7)).toEqual({
      pairs: ['x', '1 n all 3 - 7\n1\n2\n3', 'y', '1 n all 3 - 7\n1\n2\n3'],
      count: 6,
    })
    expect([batch.count, batch.characters, batch.empty]).toEqual([0, 0, true])
  })

  it('is counted as lost where an application has sent it, and not what nodes tell each other', () => {
    const batch = new BusBatch()
    const fill = () => {
      batch.add('x', 'all', 'line')
      batch.add('nodes', 'control', '{}')
    }
    fill()
    expect([batch.count, batch.clear('away'), batch.count]).toEqual([2, 1, 0])
    fill()
    expect([batch.dropBefore(performance.now() + 1), batch.count]).toEqual([1, 0])
    fill()
    expect(batch.take('n', 10, 7)).toMatchObject({ pairs: { length: 4 }, count: 1 })
    expect([batch.count, batch.characters, batch.empty]).toEqual([0, 0, true])
  })

  it('travels as several where one would be too long for the frame that it becomes', () => {
    const batch = new BusBatch()
    const [short, long] = ['s'.repeat(100_000), 'l'.repeat(500_000)]
    for (const line of [short, short, short, long, short]) batch.add('x', 'all', line)
    const { pairs, count } = batch.take('n', 10, 7)
    expect(count).toBe(5)
    expect(pairs.filter((_, i) => i % 2 === 1)).toEqual([
      `1 n all 2 - 7\n${short}\n${short}`,
      `1 n all 1 - 7\n${short}`,
      `1 n all 1 - 7\n${long}`,
      `1 n all 1 - 7\n${short}`,
    ])
    expect([batch.count, batch.characters, batch.empty]).toEqual([0, 0, true])
  })

  it('keeps the order of each channel whatever the addresses, and loses nothing', () => {
    const entry = fc.record({ channel: fc.constantFrom('x', 'y'), to: fc.constantFrom('all', 'c1', 'c2') })
    fc.assert(
      fc.property(fc.array(entry), fc.integer({ min: 1, max: 5 }), (entries, limit) => {
        const batch = new BusBatch()
        const pairs: string[] = []
        for (const [i, { channel, to }] of entries.entries()) {
          batch.add(channel, to === 'all' ? 'all' : { client: to }, `${i}`)
          if (i % 4 === 3) pairs.push(...batch.take('n', limit, 7).pairs)
        }
        while (!batch.empty) pairs.push(...batch.take('n', limit, 7).pairs)
        expect([batch.count, batch.characters]).toEqual([0, 0])
        const got = new Map<string, string[]>()
        for (let i = 0; i < pairs.length; i += 2) {
          const message = decodeMessage(Buffer.from(pairs[i + 1] ?? ''), 'other')
          if (message.kind !== 'all' && message.kind !== 'some') throw new Error(message.kind)
          const to = message.kind === 'all' ? 'all' : (message.whom.client ?? '')
          const lines = message.lines.toString().split('\n')
          expect(lines).toHaveLength(message.count)
          const channel = pairs[i] ?? ''
          got.set(channel, [...(got.get(channel) ?? []), ...lines.map(line => `${to} ${line}`)])
        }
        for (const name of ['x', 'y']) {
          const expected = entries.flatMap(({ channel, to }, i) => (channel === name ? [`${to} ${i}`] : []))
          expect(got.get(name) ?? []).toEqual(expected)
        }
      }),
    )
  })

  it('is as old as the oldest line in it, also where only a part is taken', async () => {
    const batch = new BusBatch()
    const start = performance.now()
    batch.add('x', 'all', 'old')
    await new Promise(resolve => setTimeout(resolve, 20))
    batch.add('y', 'all', 'new')
    expect(batch.since).toBeLessThan(performance.now() - 15)
    expect(batch.dropBefore(start)).toBe(0)
    expect(batch.dropBefore(start + 15)).toBe(1)
    expect(batch.since).toBeGreaterThan(start + 15)
    expect([batch.count, batch.characters]).toEqual([1, 3])
    batch.add('x', 'all', 'newer')
    expect(batch.take('n', 1, 0).pairs).toEqual(['y', '1 n all 1 - 0\nnew'])
    expect(batch.take('n', 1, 0).pairs).toEqual(['x', '1 n all 1 - 0\nnewer'])
    expect(batch.empty).toBe(true)
  })
})
