import { describe, expect, it } from 'vitest'
import { LossWatch } from './loss-watch.ts'

const epoch = 'one'
const watching = (server = 'old') => new LossWatch(epoch, server)
const ends = (head: number, id: string | null = null) => [{ partition: 3, head, id }]
const says = (server: string, head: number, id?: string) => ({
  server,
  heads: new Map([[3, head]]),
  ids: new Map(id === undefined ? [] : [[3, id]]),
})

describe('what is known to be recorded', () => {
  it('is held against heads that were asked for afterwards, and not against answers under way', () => {
    const watch = watching()
    const asked = watch.known()
    watch.stored(epoch, 3, 10, 'ten')
    watch.compare(asked, says('old', 9))
    expect(watch.lostOn).toBeUndefined()
    watch.compare(watch.known(), says('old', 9))
    expect(watch.lostOn).toBe('old')
    expect(watch.advice).toContain('partition 3, recorded up to 10, ends at 9')
  })

  it.each([
    ['heads that were read', (watch: LossWatch) => watch.compare(watch.known(), says('first', 10))],
    ['what others have seen', (watch: LossWatch) => watch.learn(epoch, 3, 10)],
    ['its own commits', (watch: LossWatch) => watch.stored(epoch, 3, 10, 'ten')],
    ['a record of others', (watch: LossWatch) => watch.hear(epoch, 'gone', new Map([[3, { head: 9 }]]))],
  ])('comes from %s', (_, tell) => {
    const watch = watching('first')
    tell(watch)
    watch.meet(watch.known(), ends(9), 'old')
    expect(watch.lostOn).toBe('old')
  })

  it.each([
    ['ten', undefined],
    [null, undefined],
    ['another', 'old'],
  ])('is an event too, where others have filled the gap: %s', (id, lostOn) => {
    for (const tell of [
      (watch: LossWatch) => watch.stored(epoch, 3, 10, 'ten'),
      (watch: LossWatch) => watch.compare(watch.known(), says('first', 10, 'ten')),
    ]) {
      const watch = watching('first')
      tell(watch)
      watch.meet(watch.known(), ends(12, id), 'old')
      expect(watch.lostOn).toBe(lostOn)
    }
  })

  it('is nothing in another epoch, whoever brings numbers of the old one', () => {
    const watch = watching()
    watch.stored(epoch, 3, 10, 'ten')
    const before = watch.known()
    watch.condemn(epoch, 'old', { found: 'test' })
    watch.begin('two')
    expect([watch.lostOn, watch.advice]).toEqual([undefined, undefined])
    watch.learn(epoch, 3, 40)
    watch.stored(epoch, 3, 40, 'forty')
    watch.hear(epoch, 'old', new Map([[3, { head: 9 }]]))
    watch.condemn(epoch, 'old', { found: 'test' })
    watch.compare(before, says('old', 1))
    watch.meet(before, ends(1), 'old')
    watch.compare(watch.known(), says('old', 1))
    watch.meet(watch.known(), ends(1), 'old')
    expect(watch.lostOn).toBeUndefined()
    expect([...watch.known().heads]).toEqual([[3, 1]])
  })

  it('is not held against a server that is not the one in use', () => {
    const watch = watching()
    watch.learn(epoch, 3, 10)
    watch.meet(watch.known(), ends(10), 'new')
    watch.compare(watch.known(), says('old', 9))
    watch.condemn(epoch, 'old', { found: 'test' })
    expect([watch.lostOn, watch.isNew('old'), watch.isNew('new')]).toEqual([undefined, true, false])
  })
})

describe('a verdict', () => {
  const lossy = () => {
    const watch = watching()
    watch.stored(epoch, 3, 10, 'ten')
    watch.compare(watch.known(), says('old', 8))
    return watch
  }

  it('stays on the same server and on its next start when others have filled the gap', () => {
    const watch = lossy()
    watch.compare(watch.known(), says('old', 11, 'eleven'))
    watch.stored(epoch, 3, 12, 'twelve')
    watch.meet(watch.known(), ends(12, 'another'), 'old')
    expect(watch.lostOn).toBe('old')
    watch.meet(watch.known(), ends(12, 'another'), 'again')
    expect(watch.lostOn).toBe('again')
  })

  it.each(['right', 'old'])('ends with a look that finds the very event again, on the server %s', server => {
    const watch = lossy()
    expect(watch.known().own.get(3)).toEqual({ position: 10, id: 'ten' })
    watch.meet(watch.known(), ends(10, 'ten'), server)
    expect(watch.lostOn).toBeUndefined()
  })

  it('never ends on heads alone, nor by an event that the shorter ledger had too', () => {
    const heads = watching()
    heads.learn(epoch, 3, 10)
    heads.compare(heads.known(), says('old', 8))
    heads.meet(heads.known(), ends(11, 'eleven'), 'again')
    expect(heads.lostOn).toBe('again')
    const below = watching()
    below.stored(epoch, 3, 7, 'seven')
    below.learn(epoch, 3, 10)
    below.compare(below.known(), says('old', 8))
    below.meet(below.known(), ends(11, 'seven'), 'again')
    expect(below.lostOn).toBe('again')
  })

  it('is taken over from others together with the event that can end it', () => {
    const fresh = watching('again')
    fresh.hear(epoch, 'old', lossy().missed)
    expect([fresh.lostOn, fresh.isNew('again'), fresh.witnesses]).toEqual(['old', true, 1])
    fresh.meet(fresh.known(), ends(12, 'another'), 'again')
    expect([fresh.lostOn, fresh.isNew('again')]).toEqual(['again', false])
    fresh.meet(fresh.known(), ends(12, 'ten'), 'right')
    expect(fresh.lostOn).toBeUndefined()
    // Where others still say it, the server in use is looked at again at once.
    fresh.hear(epoch, 'right', lossy().missed)
    expect(fresh.isNew('right')).toBe(true)
  })

  it('by a place in a channel waits for what can end it', () => {
    const watch = watching()
    watch.stored(epoch, 3, 10, 'ten')
    watch.condemn(epoch, 'old', {
      found: 'a subscriber’s place',
      channel: 'a',
      partition: 3,
      head: 1,
      known: 2,
    })
    watch.meet(watch.known(), ends(10, 'ten'), 'again')
    expect(watch.lostOn).toBe('again')
    watch.compare(watch.known(), says('again', 8))
    watch.meet(watch.known(), ends(10, 'ten'), 'right')
    expect(watch.lostOn).toBeUndefined()
  })
})
