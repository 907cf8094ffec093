import { expect, it } from 'vitest'
import { until } from '../../../test/support/until.ts'
import { FlushLoop } from './flush-loop.ts'

it('flushes one batch at a time, each with what came during the one before, and rests between', async () => {
  const waiting: number[] = []
  const flushed: { items: readonly number[]; at: number; end: () => void }[] = []
  const loop = new FlushLoop<number>({
    take: () => waiting.splice(0, 3),
    flush: items => new Promise(end => flushed.push({ items, at: performance.now(), end })),
    paceMs: 40,
  })
  const add = (...items: number[]) => {
    waiting.push(...items)
    loop.wake()
  }
  add(1)
  add(2)
  await until('the first is flushed', () => flushed.length === 1)
  add(3, 4, 5, 6)
  flushed[0]?.end()
  await until('the next one follows', () => flushed.length === 2)
  expect(flushed.map(each => each.items)).toEqual([
    [1, 2],
    [3, 4, 5],
  ])
  expect((flushed[1]?.at ?? 0) - (flushed[0]?.at ?? 0)).toBeGreaterThanOrEqual(39)
  let idle = false
  const ended = loop.idle().then(() => {
    idle = true
  })
  flushed[1]?.end()
  await until('the last one is flushed', () => flushed.length === 3)
  expect(idle).toBe(false)
  flushed[2]?.end()
  await ended
  add(7)
  await until('it begins again', () => flushed.length === 4)
  flushed[3]?.end()
  await loop.idle()
})
