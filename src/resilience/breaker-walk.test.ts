import { expect, it } from 'vitest'
import { seeded } from '../../test/support/seeded.ts'
import { isHeld, newBreaker, nextProbeAt, step } from './breaker.ts'
import type { BreakerEvent, BreakerRules } from './breaker-states.ts'

const walks = 100
const steps = 300
const random = () => 0.5

/** The same promises told in another way: one list of what happened, and flags. */
class Model {
  mode: 'open' | 'shut' | 'look' = 'open'
  hold = false
  out = false
  trouble = false
  good = 0
  due = 0
  rest: number
  since: number
  row = 0
  calls: { at: number; good: boolean }[] = []
  readonly rules: BreakerRules

  constructor(rules: BreakerRules, at: number) {
    this.rules = rules
    this.rest = rules.restMs.first
    this.since = at
  }

  take(event: BreakerEvent, at: number): void {
    const { slowness, goodProbes, restMs } = this.rules
    const doubt = slowness === 'doubt'
    const wasOut = this.out
    if (event.kind === 'probe_succeeded' || event.kind === 'probe_failed') {
      if (!wasOut) return
      this.out = false
    }
    if (event.kind === 'held') {
      this.trouble = event.as === 'passing' && (this.mode !== 'open' || (this.hold && this.trouble))
      this.hold = true
      this.rest = restMs.first
      this.enter(event.as === 'passing' ? 'open' : 'shut', at)
      this.forgive()
    } else if (event.kind === 'released') {
      if (!this.hold) return
      this.hold = false
      const looks = this.mode === 'shut' || this.trouble
      this.forgive()
      this.trouble = false
      if (!looks) return
      this.enter('shut', at)
      this.rest = restMs.first
      this.due = at
    } else if (this.mode === 'open') this.open(event, at, doubt)
    else if (this.hold) return
    else if (event.kind === 'tripped' && this.mode === 'look') this.shut(at)
    else if (event.kind === 'calls_succeeded' && goodProbes === 1) this.recover(at)
    else if (event.kind === 'probe_due') this.look(at)
    else if (this.mode === 'look' && event.kind === 'probe_failed') this.shut(at)
    else if (this.mode === 'look' && event.kind === 'probe_succeeded') {
      this.good++
      if (this.good === goodProbes) this.recover(at)
      else this.due = at + restMs.first
    }
  }

  open(event: BreakerEvent, at: number, doubt: boolean): void {
    const { kind } = event
    if (kind === 'calls_succeeded') {
      this.trouble = false
      this.row = 0
      for (let i = 0; i < event.count; i++) this.calls.push({ at, good: true })
    } else if (kind === 'tripped' || kind === 'probe_failed' || (kind === 'call_missed' && !doubt))
      this.bad(at)
    else if (kind === 'probe_due' || (doubt && (kind === 'call_slow' || kind === 'call_missed'))) {
      if (!this.hold) this.out = true
    } else if (kind === 'call_failed' || kind === 'call_slow') {
      if (this.hold) {
        this.bad(at)
        return
      }
      this.row++
      this.calls.push({ at, good: false })
      if (this.row >= this.rules.inARow || this.isBroken(at)) this.bad(at)
      else if (doubt) this.out = true
    }
  }

  isBroken(at: number): boolean {
    const { ms, calls, share } = this.rules.window
    const slot = (when: number) => Math.floor((when * 10) / ms)
    const recent = this.calls.filter(call => slot(call.at) > slot(at) - 10)
    return recent.length >= calls && recent.filter(call => !call.good).length >= share * recent.length
  }

  bad(at: number): void {
    if (this.hold) this.trouble = true
    else this.shut(at)
  }

  shut(at: number): void {
    const { restMs, window } = this.rules
    if (this.mode === 'open' && at - this.since >= window.ms) this.rest = restMs.first
    this.due = at + this.rest
    this.rest = Math.min(2 * this.rest, restMs.most)
    this.enter('shut', at)
    this.forgive()
  }

  look(at: number): void {
    if (this.mode === 'shut' && this.out) this.due = at
    else {
      if (this.mode === 'shut') this.good = 0
      this.enter('look', at)
      this.out = true
    }
  }

  recover(at: number): void {
    this.enter('open', at)
    this.forgive()
  }

  enter(mode: Model['mode'], at: number): void {
    if (this.mode !== mode) this.since = at
    this.mode = mode
  }

  forgive(): void {
    this.row = 0
    this.calls = []
  }

  get seen() {
    const asks = this.mode !== 'open' && !this.out && !(this.mode === 'shut' && this.hold)
    const state = { open: 'passing', shut: 'rejecting', look: 'probing' }[this.mode]
    const { hold: held, out: probeOut, since } = this
    return { state, held, probeOut, since, nextProbeAt: asks ? this.due : undefined }
  }
}

function anyEvent(draw: () => number): BreakerEvent {
  const events: readonly (readonly [number, BreakerEvent])[] = [
    [8, { kind: 'calls_succeeded', count: Math.ceil(draw() * 5) }],
    [8, { kind: 'call_failed', reason: 'no' }],
    [4, { kind: 'call_slow' }],
    [2, { kind: 'call_missed' }],
    [2, { kind: 'tripped', reason: `closed ${Math.floor(draw() * 3)}` }],
    [6, { kind: 'probe_due' }],
    [6, { kind: 'probe_succeeded' }],
    [4, { kind: 'probe_failed', reason: 'still' }],
    [0.5, { kind: 'held', as: draw() < 0.5 ? 'passing' : 'rejecting', reason: 'ann' }],
    [1.5, { kind: 'released', reason: 'ben' }],
  ]
  let left = draw() * events.reduce((sum, [weight]) => sum + weight, 0)
  for (const [weight, event] of events) {
    left -= weight
    if (left < 0) return event
  }
  return { kind: 'probe_due' }
}

const common: BreakerRules = {
  inARow: 5,
  window: { ms: 1_000, calls: 12, share: 0.5 },
  restMs: { first: 100, most: 700 },
  goodProbes: 1,
  slowness: 'failure',
}

it.each<[string, BreakerRules]>([
  ['common', common],
  ['doubting', { ...common, slowness: 'doubt' }],
  ['careful', { ...common, goodProbes: 3 }],
])('walks as a simple model does, under %s rules', (_name, rules) => {
  const first = Number(process.env['HOLDFAST_SEED'] ?? Math.floor(Math.random() * 1e9))
  const visited = new Set<string>()
  for (let seed = first; seed < first + walks; seed++) {
    const draw = seeded(seed)
    let at = 10_000
    let breaker = newBreaker({ rules, at, random })
    const model = new Model(rules, at)
    const told: string[] = []
    for (let i = 0; i < steps; i++) {
      if (draw() < 0.7) at += Math.floor(draw() ** 3 * 1_500)
      const event = anyEvent(draw)
      told.push(`${at} ${event.kind}`)
      breaker = step(breaker, event, { rules, at, random })
      model.take(event, at)
      const { state, probeOut, since } = breaker
      const seen = { state, held: isHeld(breaker), probeOut, since, nextProbeAt: nextProbeAt(breaker) }
      // Compared as text: an assertion for each of these steps would take most of the time.
      if (JSON.stringify(seen) !== JSON.stringify(model.seen)) {
        expect(seen, `HOLDFAST_SEED=${seed}: ${told.slice(-12).join(', ')}`).toEqual(model.seen)
      }
      visited.add(`${state} ${seen.held} ${probeOut}`)
    }
  }
  // Passing and rejecting, held or not, and probing; each with a probe out, and probing without only where it rests.
  expect(visited.size).toBe(rules.goodProbes === 1 ? 9 : 10)
})
