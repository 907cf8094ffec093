import { describe, expect, it, vi } from 'vitest'
import { FrequentNames, Sampler } from './sampler.ts'

describe('the most frequent names', () => {
  it('are found among more than there is room for, none counted too high and each too low by the error at most', () => {
    const names = new FrequentNames()
    for (let i = 0; i < 20_000; i++) names.note(i % 4 === 0 ? 'hot' : `rare-${i}`)
    const [[first, count] = ['', 0]] = names.top(1)
    expect(first).toBe('hot')
    expect(count).toBeLessThanOrEqual(5_000)
    expect(count + names.error).toBeGreaterThanOrEqual(5_000)
    expect(names.top(5_000).length).toBeLessThanOrEqual(1_000)
  })

  it('are counted for each who asks for as long as he wants to wait, together where that is soon', async () => {
    vi.useFakeTimers()
    try {
      const sampler = new Sampler()
      const ended: string[] = []
      const take = async (name: string, forMs: number) => {
        const { channels } = await sampler.take(forMs)
        ended.push(name)
        return channels.top(1)[0]?.[1]
      }
      expect(sampler.active).toBe(false)
      const long = take('long', 10_000)
      sampler.note('room:1', 'ann')
      const short = take('short', 2_000)
      const shared = take('shared', 5_000)
      sampler.note('room:1', undefined)
      await vi.advanceTimersByTimeAsync(2_000)
      expect(ended).toEqual(['short', 'shared'])
      expect(sampler.active).toBe(true)
      await vi.advanceTimersByTimeAsync(8_000)
      expect(await Promise.all([long, short, shared])).toEqual([2, 1, 1])
      expect(sampler.active).toBe(false)
    } finally {
      vi.useRealTimers()
    }
  })
})
