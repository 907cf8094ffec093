import { describe, expect, it } from 'vitest'
import { MarkBook } from './mark-book.ts'
import type { Mark } from './wire-common.ts'

describe('marks', () => {
  const book = (told: Mark[] = []) => new MarkBook({ nodeName: 'a', tell: mark => told.push(mark) })

  it('are told to others once, known by their ids, and wait until they are written', async () => {
    const told: Mark[] = []
    const marks = book(told)
    marks.note({ kind: 'epoch', says: 'x', id: 'epoch/1' })
    marks.note({ kind: 'epoch', says: 'x', id: 'epoch/1' })
    expect(told).toHaveLength(1)
    await expect(marks.write(() => Promise.reject(new Error('away')))).rejects.toThrow('away')
    const written: Mark[] = []
    await marks.write(async all => written.push(...all))
    await marks.write(async all => written.push(...all))
    expect(written.map(({ id }) => id)).toEqual(['epoch/1'])
  })

  it('of what flaps are no more than thirty a minute, and of others five hundred at most', () => {
    const told: Mark[] = []
    const marks = book(told)
    for (let i = 0; i < 100; i++) marks.note({ kind: 'breaker', says: `${i}` })
    expect(told.length).toBeLessThanOrEqual(60)
    for (let i = 0; i < 900; i++)
      marks.hear({ id: `${i}`, time: i, kind: 'breaker', node: 'b', says: '', details: {} })
    expect(marks.recent).toHaveLength(500)
    const times = marks.recent.map(({ time }) => time)
    expect(times).toEqual([...times].sort((x, y) => y - x))
  })
})
