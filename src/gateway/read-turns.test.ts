import { describe, expect, it } from 'vitest'
import { ReadTurns } from './read-turns.ts'

const turn = () => new Promise(resolve => setImmediate(resolve))

/** Reads that run until they are told to end. */
function given() {
  const state = { room: true }
  const turns = new ReadTurns(() => state.room)
  const begun: number[] = []
  const ends = new Map<number, () => void>()
  const read = (n: number) =>
    turns.run(() => {
      begun.push(n)
      return new Promise<number>(resolve => ends.set(n, () => resolve(n)))
    })
  return { turns, state, begun, ends, read }
}

describe('the reads of a session', () => {
  it('run a few at once, the next when one has ended, in order', async () => {
    const { begun, ends, read } = given()
    const reads = [1, 2, 3, 4, 5, 6].map(read)
    await turn()
    expect(begun).toEqual([1, 2, 3, 4])
    ends.get(3)?.()
    await turn()
    expect(begun).toEqual([1, 2, 3, 4, 5])
    for (const n of [1, 2, 4, 5]) ends.get(n)?.()
    await turn()
    ends.get(6)?.()
    expect(await Promise.all(reads)).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('wait while there is no room, and do not overtake those that have waited longer', async () => {
    const { turns, state, begun, read } = given()
    state.room = false
    void read(1)
    void read(2)
    await turn()
    expect(begun).toEqual([])
    state.room = true
    void read(3)
    turns.look()
    await turn()
    expect(begun).toEqual([1, 2, 3])
  })

  it('make way when they fail', async () => {
    const turns = new ReadTurns(() => true)
    for (let n = 0; n < 20; n++) {
      await expect(turns.run(() => Promise.reject(new Error(`${n}`)))).rejects.toThrow(`${n}`)
      await expect(
        turns.run(() => {
          throw new Error('at once')
        }),
      ).rejects.toThrow('at once')
    }
    expect(await turns.run(async () => 'still')).toBe('still')
  })
})
