import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Flights } from './flights.ts'
import { Tallies } from './tallies.ts'

let bus: { connected: boolean; since: number }
let listening: Set<string>
let tallies: Tallies
let flights: Flights

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance', 'Date'] })
  bus = { connected: true, since: performance.now() - 60_000 }
  listening = new Set(['b', 'c'])
  tallies = new Tallies(['realtime', 'durable'])
  flights = new Flights({
    deadlineMs: 5_000,
    tallies,
    bus: () => bus,
    listening: node => listening.has(node),
  })
})
afterEach(() => {
  flights.close()
  vi.useRealTimers()
})

function outcome(tier: 'realtime' | 'durable', path: string) {
  const { succeeded, degraded, failed, reason, latencyMs } =
    tallies.summaries().find(each => each.tier === tier && each.path === path) ?? {}
  return { succeeded, degraded, failed, reason, latencyMs }
}
const nothing = { succeeded: 0, degraded: 0, failed: 0, reason: undefined, latencyMs: undefined }

describe('a probe', () => {
  it('succeeds by each way on its own, the way to another node by half of the time there and back', () => {
    flights.begin('durable', 1, ['b', 'c'])
    vi.advanceTimersByTime(2)
    flights.accepted('durable', 1, 7)
    vi.advanceTimersByTime(2)
    flights.heard('durable', 1, 7)
    vi.advanceTimersByTime(6)
    flights.echoed('durable', 1, 'b')
    flights.echoed('durable', 1, 'c')
    flights.echoed('durable', 1, 'c')
    vi.advanceTimersByTime(20_000)
    expect(outcome('durable', 'accept')).toEqual({ ...nothing, succeeded: 1, latencyMs: 2 })
    expect(outcome('durable', 'local')).toEqual({ ...nothing, succeeded: 1, latencyMs: 4 })
    expect(outcome('durable', 'other')).toEqual({ ...nothing, succeeded: 2, latencyMs: 5 })
  })

  it('fails where it is not heard in time, and what comes later changes nothing', () => {
    flights.begin('durable', 1, ['b'])
    flights.accepted('durable', 1, 7)
    vi.advanceTimersByTime(5_001)
    expect(outcome('durable', 'local')).toEqual({ ...nothing, failed: 1, reason: 'unheard' })
    flights.heard('durable', 1, 7)
    flights.echoed('durable', 1, 'b')
    vi.advanceTimersByTime(6_100)
    expect(outcome('durable', 'local')).toMatchObject({ succeeded: 0, failed: 1 })
    expect(outcome('durable', 'other')).toEqual({ ...nothing, failed: 1, reason: 'unheard' })
  })

  it('fails where another event is heard at its offset', () => {
    flights.begin('durable', 1, [])
    flights.heard('durable', 1, 8)
    flights.accepted('durable', 1, 7)
    expect(outcome('durable', 'local')).toMatchObject({ failed: 1, reason: 'wrong' })
  })

  it('says nothing of ways that it did not take', () => {
    flights.begin('realtime', 1, ['b'])
    flights.refused('realtime', 1)
    vi.advanceTimersByTime(60_000)
    expect(outcome('realtime', 'local')).toEqual(nothing)
    expect(outcome('realtime', 'other')).toEqual(nothing)
  })

  it('does not count a node that turns out to be gone', () => {
    flights.begin('durable', 1, ['b', 'c'])
    flights.accepted('durable', 1, 7)
    vi.advanceTimersByTime(9_000)
    listening.delete('b')
    vi.advanceTimersByTime(9_000)
    expect(outcome('durable', 'other')).toMatchObject({ failed: 1 })
  })

  it.each([
    ['away', () => ({ connected: false, since: performance.now() })],
    [
      'back, for less time than all nodes need',
      () => ({ connected: true, since: performance.now() + 1_000 }),
    ],
  ])('of signals is degraded while the bus is %s; events have another way', (_, now) => {
    for (const tier of ['realtime', 'durable'] as const) {
      flights.begin(tier, 1, ['b'])
      flights.accepted(tier, 1, undefined)
    }
    bus = now()
    vi.advanceTimersByTime(60_000)
    const totals = [...tallies.totals()].filter(({ subject }) => subject.path === 'other')
    expect(totals.map(({ subject, outcomes }) => [subject.tier, outcomes])).toEqual([
      ['realtime', { succeeded: 0, degraded: 1, failed: 0 }],
      ['durable', { succeeded: 0, degraded: 0, failed: 1 }],
    ])
  })
})
