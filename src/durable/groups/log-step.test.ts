import { describe, expect, it } from 'vitest'
import type { StoredEvent } from '../../domain/index.ts'
import { nextStep } from './log-step.ts'
import { type Handling, Routes } from './routes.ts'
import { TurnSizes } from './turn-sizes.ts'

const event = (position: number, channel: string, type = 'T'): StoredEvent => ({
  channel,
  offset: position,
  position,
  partition: 0,
  id: '',
  type,
  data: '{}',
  meta: null,
  time: 0,
})
const routes = new Routes()
const each: Handling = { kind: 'each', handler: () => undefined }
routes.add('a:{id}', 'T', each)
routes.add('b:{id}', 'T', each)
const blocked = new Set(['b:1'])
const step = (events: readonly StoredEvent[], items = 2, waiting = 10) => {
  const next = nextStep(events, 100, routes, blocked, { items, waiting })
  const positions = (list: readonly StoredEvent[]) => list.map(({ position }) => position)
  return { ...next, items: positions(next.items.map(each => each.event)), waiting: positions(next.waiting) }
}

describe('the next step', () => {
  it('takes everything where nothing is too many, and holes with it', () => {
    expect(step([event(3, 'a:1'), event(7, 'a:2')])).toEqual({ items: [3, 7], waiting: [], used: 2, to: 100 })
    expect(step([])).toEqual({ items: [], waiting: [], used: 0, to: 100 })
  })

  it('ends right before the event that would be one too many', () => {
    const events = [
      event(1, 'a:1'),
      event(2, 'z:1'),
      event(3, 'a:1'),
      event(5, 'a:1', 'Other'),
      event(9, 'a:1'),
    ]
    expect(step(events)).toEqual({ items: [1, 3], waiting: [], used: 4, to: 8 })
    expect(step(events, 1)).toEqual({ items: [1], waiting: [], used: 2, to: 2 })
  })

  it('lets events of blocked channels wait, and passes by what no handler wants of them', () => {
    const events = [event(1, 'b:1'), event(2, 'b:1', 'Other'), event(3, 'b:2'), event(4, 'b:1')]
    expect(step(events)).toEqual({ items: [3], waiting: [1, 4], used: 4, to: 100 })
    expect(step(events, 5, 1)).toEqual({ items: [3], waiting: [1], used: 3, to: 3 })
    expect(step(events, 5, 0)).toEqual({ items: [], waiting: [], used: 0, to: 0 })
  })
})

describe('routes', () => {
  it('say which namespaces they may match', () => {
    const of = (...patterns: string[]) => {
      const made = new Routes()
      for (const pattern of patterns) made.add(pattern, '*', each)
      return made.namespaces()
    }
    expect(of('order:{id}', 'chat:*', '$chat:{id}')).toEqual(['chat', 'order'])
    expect(of('lobby')).toEqual([''])
    for (const pattern of ['*', '{any}:x', 'or*', 'order{n}:x']) expect(of('order:{id}', pattern)).toBe(null)
  })

  it('take the first that matches, by channel and type', () => {
    const made = new Routes()
    const [first, second]: Handling[] = [each, { kind: 'batch', handler: () => undefined }]
    made.add(['a:{x}', 'c:{x}'], ['One', 'Two'], first ?? each)
    made.add('a:{y}', '*', second ?? each)
    expect(made.match('a:1', 'Two')).toEqual({ handling: first, params: { x: '1' } })
    expect(made.match('c:1', 'Two')?.handling).toBe(first)
    expect(made.match('a:1', 'Three')).toEqual({ handling: second, params: { y: '1' } })
    expect(made.match('b:1', 'One')).toBeUndefined()
    for (const none of [() => made.add([], '*', each), () => made.add('a:1', [], each)])
      expect(none).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
    expect(() => made.add(['d:1', 'd:{}'], '*', each)).toThrow()
    expect(made.match('d:1', 'One')).toBeUndefined()
  })
})

describe('the sizes of turns', () => {
  it('handle those before the failed one again, then it alone, then whole batches', () => {
    const sizes = new TurnSizes(10)
    sizes.failed({ index: 4, count: 1 })
    const seen = []
    for (let i = 0; i < 3; i++) {
      seen.push(sizes.next)
      sizes.settled()
    }
    expect(seen).toEqual([4, 1, 10])
    expect(sizes.planned).toBe(false)
  })

  it('halve a stretch of which nobody knows who is to blame', () => {
    const sizes = new TurnSizes(9)
    sizes.failed({ index: 2, count: 5 })
    const seen = []
    for (; sizes.planned; sizes.settled()) seen.push(sizes.next)
    expect(seen).toEqual([2, 3, 2])
  })

  // Whether handlers are called with one event or with all of a turn: then nobody knows more than that it has failed.
  it.each([1, 5, 20])('find every poison among calls of %i, and handle it alone', together => {
    const poison = new Set([0, 3, 4, 9, 19])
    const sizes = new TurnSizes(20)
    const [done, set]: [number[], number[]] = [[], []]
    for (let at = 0, turns = 0; at < 20; turns++) {
      expect(turns).toBeLessThan(60)
      const size = Math.min(sizes.next, 20 - at)
      const batch = Array.from({ length: size }, (_, i) => at + i)
      const first = batch.findIndex(each => poison.has(each))
      const index = first - (first % together)
      const count = Math.min(together, size - index)
      if (first >= 0 && (index > 0 || count > 1)) {
        sizes.failed({ index, count })
        continue
      }
      if (first === 0) set.push(at)
      else done.push(...batch)
      at += first === 0 ? 1 : size
      sizes.settled()
    }
    expect(set).toEqual([...poison])
    expect(done).toHaveLength(15)
  })
})
