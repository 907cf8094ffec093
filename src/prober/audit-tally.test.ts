import { pino } from 'pino'
import { beforeEach, describe, expect, it } from 'vitest'
import { AuditTally } from './audit-tally.ts'

let tally: AuditTally
beforeEach(() => {
  tally = new AuditTally(pino({ level: 'silent' }))
})

const difference = (offset: number) => ({
  kind: 'mirror_other' as const,
  partition: 3,
  channel: 'order:1',
  offset,
})
const found = (...offsets: number[]) => ({
  ...{ partition: 3, scope: 'recent' as const, lost: [], lostCount: 0, checked: {} },
  differences: offsets.map(difference),
})

describe('what an audit has found', () => {
  it('stands at zero for every kind before anything is found, so that the first finding is an increase', () => {
    expect(Object.fromEntries(tally.mismatchCounts)).toEqual({
      ...{ mirror_missing: 0, mirror_other: 0, history_other: 0, erased_copy: 0 },
      ...{ received_missing: 0, received_other: 0, received_order: 0 },
    })
    expect(tally.summary().mismatches).toEqual({})
  })

  it('counts a difference once, however many passes find it, and another one of its channel too', () => {
    for (let pass = 0; pass < 3; pass++) tally.found(found(1))
    expect(tally.summary().mismatches).toEqual({ mirror_other: 1 })
    tally.found(found(1, 2))
    expect(tally.summary().mismatches).toEqual({ mirror_other: 2 })
  })

  it('goes on counting when there are more than it can remember', () => {
    tally.found(found(...Array.from({ length: 1_500 }, (_, n) => n)))
    expect(tally.summary().mismatches).toEqual({ mirror_other: 1_500 })
  })

  it('keeps a loss that newer events have pushed out of sight, until the whole partition was looked at', () => {
    const look = (scope: 'recent' | 'whole', lostCount: number) =>
      tally.found({ partition: 3, scope, lost: [], lostCount, differences: [], checked: {} })
    tally.leads(true)
    look('recent', 1)
    look('recent', 0)
    expect(tally.summary()).toMatchObject({ lost: 1, wholeFrom: undefined })
    look('whole', 1)
    tally.completed('whole')
    expect(tally.summary().lost).toBe(1)
    expect(tally.summary().wholeFrom).toBeGreaterThan(0)
    look('whole', 0)
    expect(tally.summary().lost).toBe(0)
    tally.leads(false)
    expect(tally.summary().wholeFrom).toBeUndefined()
  })

  it('tells of a loss at once, each time that there are more: its turn may end before anybody asks', () => {
    const told: number[] = []
    tally.onLoss = lost => void told.push(lost)
    const look = (partition: number, lostCount: number) =>
      tally.found({ partition, scope: 'recent', lost: [], lostCount, differences: [], checked: {} })
    tally.leads(true)
    look(3, 1)
    look(3, 1)
    look(4, 1)
    tally.leads(false)
    expect(tally.summary().lost).toBe(0)
    tally.leads(true)
    look(3, 1)
    for (let n = 0; n < 2; n++) tally.lostToCanary({ channel: 'order:1', offset: n })
    expect(told).toEqual([1, 2, 1, 2])
    expect(tally.summary().lost).toBe(2)
  })
})
