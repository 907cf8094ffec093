import { describe, expect, it } from 'vitest'
import { LossWatch } from './loss-watch.ts'

const ends = (head: number, id: string | null = null) => [{ partition: 3, head, id }]

describe('what is known to be recorded', () => {
  it('is held against heads that were asked for afterwards, and not against answers under way', () => {
    const watch = new LossWatch(undefined)
    const asked = watch.known()
    watch.stored(3, 10, 'ten')
    watch.compare(asked, new Map([[3, 9]]), 'old')
    expect(watch.lostOn).toBeUndefined()
    watch.compare(watch.known(), new Map([[3, 9]]), 'old')
    expect(watch.lostOn).toBe('old')
  })

  it.each([
    ['heads that were read', (watch: LossWatch) => watch.compare(watch.known(), new Map([[3, 10]]), 'new')],
    ['what others have seen', (watch: LossWatch) => watch.learn(3, 10)],
    ['its own commits', (watch: LossWatch) => watch.stored(3, 10, 'ten')],
  ])('comes from %s', (_, tell) => {
    const watch = new LossWatch(undefined)
    tell(watch)
    watch.meet(watch.known(), ends(9), 'old')
    expect(watch.lostOn).toBe('old')
  })

  it('is its own last event too, where others have filled the gap', () => {
    for (const [id, lostOn] of [
      ['ten', undefined],
      [null, undefined],
      ['another', 'old'],
    ] as const) {
      const watch = new LossWatch(undefined)
      watch.stored(3, 10, 'ten')
      watch.meet(watch.known(), ends(12, id), 'old')
      expect([id, watch.lostOn]).toEqual([id, lostOn])
    }
  })
})

describe('a loss', () => {
  it('lasts while the same server answers, whatever is recorded there meanwhile, and ends with one that has everything', () => {
    const watch = new LossWatch(undefined)
    watch.learn(3, 10)
    watch.meet(watch.known(), ends(9), 'old')
    watch.compare(watch.known(), new Map([[3, 11]]), 'old')
    watch.meet(watch.known(), ends(11), 'old')
    expect(watch.lostOn).toBe('old')
    watch.meet(watch.known(), ends(10), 'older')
    expect(watch.lostOn).toBe('older')
    watch.meet(watch.known(), ends(11), 'right')
    expect(watch.lostOn).toBeUndefined()
  })

  it('ends with the epoch, and so does everything that is known', () => {
    const watch = new LossWatch(undefined)
    watch.stored(3, 10, 'ten')
    watch.condemn('old', {})
    watch.forget()
    expect(watch.lostOn).toBeUndefined()
    watch.meet(watch.known(), ends(1), 'old')
    watch.compare(watch.known(), new Map([[3, 1]]), 'old')
    expect(watch.lostOn).toBeUndefined()
  })
})
