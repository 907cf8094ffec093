import { describe, expect, it } from 'vitest'
import { Heartbeat } from './heartbeat.ts'

const limits = { pingIntervalMs: 1_000, pongTimeoutMs: 400 }

/** Beats every 10 ms until something is to be done. */
function firstPing(heartbeat: Heartbeat, from: number): number {
  let now = from
  while (heartbeat.beat(now) === 'quiet') now += 10
  return now
}

describe('a heartbeat', () => {
  it('pings first at a random moment of the second half of the interval, then every interval', () => {
    for (let i = 0; i < 50; i++) {
      const heartbeat = new Heartbeat(limits, 0)
      const first = firstPing(heartbeat, 0)
      expect(first).toBeGreaterThanOrEqual(500)
      expect(first).toBeLessThanOrEqual(1_010)
      expect(heartbeat.pong()).toBe(true)
      expect(firstPing(heartbeat, first)).toBe(first + 1_000)
    }
  })

  it('finds out who does not answer', () => {
    const heartbeat = new Heartbeat(limits, 0)
    const first = firstPing(heartbeat, 0)
    expect(heartbeat.beat(first + 390)).toBe('quiet')
    expect(heartbeat.beat(first + 400)).toBe('no_pong')
  })

  it('finds out also where the answer may take longer than the interval', () => {
    const heartbeat = new Heartbeat({ pingIntervalMs: 1_000, pongTimeoutMs: 2_500 }, 0)
    const first = firstPing(heartbeat, 0)
    expect(heartbeat.beat(first + 1_000)).toBe('quiet')
    expect(heartbeat.beat(first + 2_500)).toBe('no_pong')
  })

  it('accepts one answer to one ping and none to none', () => {
    const heartbeat = new Heartbeat(limits, 0)
    expect(heartbeat.pong()).toBe(false)
    firstPing(heartbeat, 0)
    expect(heartbeat.pong()).toBe(true)
    expect(heartbeat.pong()).toBe(false)
  })
})
