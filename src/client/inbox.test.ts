import { describe, expect, it } from 'vitest'
import type { Breath } from './breath.ts'
import { Inbox } from './inbox.ts'

function inbox(handle: (item: number) => unknown, capacity = 4, breath?: Breath) {
  const failures: [unknown, number][] = []
  const handled: number[] = []
  const box = new Inbox<number>({
    handle,
    onFailure: (error, item) => failures.push([error, item]),
    onHandled: item => handled.push(item),
    capacity,
    breath: breath ?? { due: () => false, pause: () => Promise.resolve() },
  })
  return { box, failures, handled }
}

const turn = () => new Promise(resolve => setImmediate(resolve))

describe('an inbox', () => {
  it('hands on at once while handlers are synchronous', () => {
    const { box, handled } = inbox(() => undefined)
    for (const n of [1, 2, 3]) box.push(n)
    expect(handled).toEqual([1, 2, 3])
    expect(box.size).toBe(0)
  })

  it('waits for the promise of one before the next', async () => {
    const gates: (() => void)[] = []
    const started: number[] = []
    const { box, handled } = inbox(n => {
      started.push(n)
      return new Promise<void>(resolve => gates.push(resolve))
    })
    for (const n of [1, 2]) box.push(n)
    expect(started).toEqual([1])
    gates[0]?.()
    await turn()
    expect([started, handled]).toEqual([[1, 2], [1]])
    gates[1]?.()
    await turn()
    box.push(3)
    expect(started).toEqual([1, 2, 3])
  })

  it('reports a handler that throws or rejects, and goes on', async () => {
    const { box, failures, handled } = inbox(n => {
      if (n === 1) throw new Error('thrown')
      if (n === 2) return Promise.reject(new Error('rejected'))
      return undefined
    })
    for (const n of [1, 2, 3]) box.push(n)
    await turn()
    expect(handled).toEqual([1, 2, 3])
    expect(failures.map(([error, item]) => [(error as Error).message, item])).toEqual([
      ['thrown', 1],
      ['rejected', 2],
    ])
  })

  it('says when it is full, and when there is room again', async () => {
    const gates: (() => void)[] = []
    const { box } = inbox(() => new Promise<void>(resolve => gates.push(resolve)))
    for (const n of [0, 1, 2, 3]) box.push(n)
    expect(box.full).toBe(false)
    box.push(4)
    expect(box.full).toBe(true)
    let room = false
    void box.room().then(() => {
      room = true
    })
    for (const expected of [false, false, true]) {
      gates.shift()?.()
      await turn()
      expect(room).toBe(expected)
    }
  })

  it('hands nothing on once closed, also from within a handler', async () => {
    const { box, handled } = inbox(n => n === 1 && box.close())
    for (const n of [1, 2]) box.push(n)
    await box.room()
    expect(handled).toEqual([1])
  })

  it('takes what a handler causes to be pushed after what waited already', () => {
    const { box, handled } = inbox(n => n < 3 && box.push(n + 2))
    box.push(1)
    box.push(2)
    expect(handled).toEqual([1, 3, 2, 4])
  })
})
