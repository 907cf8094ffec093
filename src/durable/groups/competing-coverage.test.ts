import { beforeEach, describe, expect, it } from 'vitest'
import { Coverage } from './competing-coverage.ts'

let coverage: Coverage
beforeEach(() => {
  coverage = new Coverage(1_000)
})
const look = (floor: number, head: number, logFloor: number | undefined, now = 0) => {
  coverage.look({ floor, head, logFloor, now })
  return coverage.span
}

describe('what has to be read from the ledger', () => {
  it('is nothing while the log hands out all that is not settled', () => {
    expect(look(0, 0, undefined)).toBeUndefined()
    expect(look(0, 10, 1)).toBeUndefined()
    expect(look(10, 10, 20)).toBeUndefined()
    expect(look(7, 20, 8)).toBeUndefined()
  })

  it('is what lies below a trimmed or refilled log', () => {
    expect(look(7, 20, 12)).toEqual({ from: 8, to: 11 })
  })

  it('is nothing above the head, wherever the log begins', () => {
    expect(look(7, 9, 30)).toEqual({ from: 8, to: 9 })
  })

  it('is everything while there is no log', () => {
    expect(look(7, 20, undefined)).toEqual({ from: 8, to: 20 })
  })

  it('is what was there and stays unsettled for too long', () => {
    expect(look(3, 10, 1, 0)).toBeUndefined()
    expect(look(3, 12, 1, 999)).toBeUndefined()
    expect(look(3, 15, 1, 1_000)).toEqual({ from: 4, to: 10 })
    coverage.advance(10)
    expect(look(3, 15, 1, 1_999)).toBeUndefined()
    expect(look(3, 20, 1, 2_000)).toEqual({ from: 4, to: 15 })
  })

  it('is nothing while the floor keeps up with where the head was', () => {
    for (let n = 0; n < 20; n++) expect(look(n * 10, n * 10 + 15, 1, n * 500)).toBeUndefined()
  })

  it('goes on with a pass under way, and begins at the floor again when it is through', () => {
    look(0, 100, undefined)
    coverage.advance(40)
    expect(look(10, 120, undefined)).toEqual({ from: 41, to: 120 })
    expect(look(60, 120, 121)).toEqual({ from: 61, to: 120 })
    coverage.advance(120)
    expect(coverage.span).toBeUndefined()
    expect(look(60, 120, undefined)).toEqual({ from: 61, to: 120 })
  })
})
