import { describe, expect, it } from 'vitest'
import type { LostBy } from '../../hub/index.ts'
import { decideRecovery } from './recovery.ts'

const place = { epoch: 'now', position: 100, floor: 40 }
const decide = (offset: number, epoch = '', maxPushed = 1_000) =>
  decideRecovery({ offset, epoch }, place, maxPushed)

const lost = (by: LostBy) => ({ lost: by })

describe('a wish to continue', () => {
  it('is none where nothing is asked', () => {
    expect(decideRecovery(undefined, place, 10)).toBe('fresh')
  })
  it('is lost in another epoch, whatever the offset', () => {
    expect([decide(100, 'then'), decide(200, 'then'), decide(50, 'then')]).toEqual([
      lost('epoch'),
      lost('epoch'),
      lost('epoch'),
    ])
  })
  it('takes an empty epoch and the present one alike', () => {
    expect([decide(50), decide(50, 'now')]).toEqual(['read', 'read'])
  })
  it('is for the ledger to judge above the position', () => {
    expect(decide(101)).toBe('ahead')
  })
  it('costs no read at the position', () => {
    expect(decide(100)).toBe('level')
    expect(decide(100, '', 0)).toBe('level')
  })
  it('is lost below the floor and kept at it', () => {
    expect([decide(39), decide(40)]).toEqual([lost('removed'), 'read'])
  })
  it('is left to paging beyond what may be pushed', () => {
    expect([decide(90, '', 10), decide(89, '', 10)]).toEqual(['read', lost('too_many')])
  })
})
