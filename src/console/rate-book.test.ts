import { describe, expect, it } from 'vitest'
import { RateBook } from './rate-book.ts'

describe('the rates of a node', () => {
  const counted = (published: number, ended: [string, number][] = [], connections = 1) => ({
    totals: { 'published.durable': published, refused: 0 },
    ended: new Map(ended),
    connections,
  })

  it('are increments per second, and counts by minute', () => {
    const book = new RateBook()
    book.take(counted(100), 60_000, 0)
    book.take(counted(120, [['3001', 2]]), 61_000, 1_000)
    book.take(counted(130, [['3001', 3]], 7), 121_000, 3_000)
    expect(book.perSecond()).toEqual({ 'published.durable': 10, refused: 0 })
    expect(book.since(0)).toEqual([
      { minute: 60_000, counts: { 'published.durable': 20, refused: 0 }, ends: { 3001: 2 }, connections: 1 },
      { minute: 120_000, counts: { 'published.durable': 10, refused: 0 }, ends: { 3001: 1 }, connections: 7 },
    ])
    expect(book.disconnects(121_000)).toEqual({ 3001: 3 })
    expect(book.disconnects(121_000 + 400_000)).toEqual({})
  })

  it('forget what is older than ten seconds, and remember three hours', () => {
    const book = new RateBook()
    for (let i = 0; i <= 200; i++) book.take(counted(i < 10 ? i * 1_000 : 9_000), i * 60_000, i * 60_000)
    expect(book.perSecond()['published.durable']).toBe(0)
    expect(book.since(0)).toHaveLength(180)
  })
})
