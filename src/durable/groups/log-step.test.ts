import { describe, expect, it } from 'vitest'
import type { StoredEvent } from '../../domain/index.ts'
import { nextStep } from './log-step.ts'
import { Routes } from './routes.ts'
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
routes.add('a:{id}', 'T', () => undefined)
routes.add('b:{id}', 'T', () => undefined)
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
      for (const pattern of patterns) made.add(pattern, '*', () => undefined)
      return made.namespaces()
    }
    expect(of('order:{id}', 'chat:*', '$chat:{id}')).toEqual(['chat', 'order'])
    expect(of('lobby')).toEqual([''])
    for (const pattern of ['*', '{any}:x', 'or*', 'order{n}:x']) expect(of('order:{id}', pattern)).toBe(null)
  })

  it('take the first that matches, by channel and type', () => {
    const made = new Routes()
    const [first, second] = [() => undefined, () => undefined]
    made.add('a:{x}', ['One', 'Two'], first)
    made.add('a:{y}', '*', second)
    expect(made.match('a:1', 'Two')).toEqual({ handler: first, params: { x: '1' } })
    expect(made.match('a:1', 'Three')).toEqual({ handler: second, params: { y: '1' } })
    expect(made.match('b:1', 'One')).toBeUndefined()
  })
})

describe('the sizes of turns', () => {
  it('handle those before the failed one again, then it alone, then whole batches', () => {
    const sizes = new TurnSizes(10)
    sizes.failed(10, 4)
    const seen = []
    for (let i = 0; i < 3; i++) {
      seen.push(sizes.next)
      sizes.settled()
    }
    expect(seen).toEqual([4, 1, 10])
  })

  it('try each alone where nobody knows which it was', () => {
    const sizes = new TurnSizes(3)
    sizes.failed(3, undefined)
    expect([sizes.next, sizes.settled(), sizes.next, sizes.settled(), sizes.next]).toEqual([
      1,
      undefined,
      1,
      undefined,
      1,
    ])
  })

  it('find every poison in a batch without handling more than one of them at a time in the end', () => {
    const poison = new Set([0, 3, 4, 9, 19])
    const sizes = new TurnSizes(20)
    const [done, set]: [number[], number[]] = [[], []]
    for (let at = 0, turns = 0; at < 20; turns++) {
      expect(turns).toBeLessThan(60)
      const size = Math.min(sizes.next, 20 - at)
      const batch = Array.from({ length: size }, (_, i) => at + i)
      const index = batch.findIndex(each => poison.has(each))
      if (index > 0) sizes.failed(size, index)
      else {
        if (index === 0) set.push(at)
        else done.push(...batch)
        at += index === 0 ? 1 : size
        sizes.settled()
      }
    }
    expect(set).toEqual([...poison])
    expect(done).toHaveLength(15)
  })
})
