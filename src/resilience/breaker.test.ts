import { describe, expect, it } from 'vitest'
import { isHeld, newBreaker, nextProbeAt, step } from './breaker.ts'
import type { Breaker, BreakerEvent, BreakerRules } from './breaker-states.ts'

const rules: BreakerRules = {
  inARow: 2,
  window: { ms: 1_000, calls: 10, share: 0.5 },
  restMs: { first: 100, most: 400 },
  goodProbes: 1,
  slowness: 'failure',
}
const doubting: BreakerRules = { ...rules, slowness: 'doubt' }
const careful: BreakerRules = { ...rules, goodProbes: 2 }

/** Every way in which a breaker can be; `asking`: a probe is out. */
type Mode =
  | 'passing'
  | 'failing'
  | 'held passing'
  | 'held troubled'
  | 'rejecting'
  | 'held rejecting'
  | 'probing'
type Situation = Mode | `${Mode}, asking`
type Kind = BreakerEvent['kind']
/** Where an event leads; `same`: the very same value. */
type Row = Record<Kind, Situation | 'same'>

const at = 5_000
const random = () => 0.5

function after(
  events: readonly BreakerEvent[],
  under: BreakerRules,
  from = newBreaker({ rules: under, at, random }),
) {
  return events.reduce<Breaker>((breaker, event) => step(breaker, event, { rules: under, at, random }), from)
}

const failed: BreakerEvent = { kind: 'call_failed', reason: 'no' }
const tripped: BreakerEvent = { kind: 'tripped', reason: 'told so' }
const due: BreakerEvent = { kind: 'probe_due' }
const hold = (as: 'passing' | 'rejecting'): BreakerEvent => ({ kind: 'held', as, reason: 'by ann' })
const released: BreakerEvent = { kind: 'released', reason: 'by ben' }

const ways: Record<Situation, readonly BreakerEvent[]> = {
  passing: [],
  'passing, asking': [due],
  failing: [failed],
  'failing, asking': [failed, due],
  'held passing': [hold('passing')],
  'held passing, asking': [due, hold('passing')],
  'held troubled': [hold('passing'), tripped],
  'held troubled, asking': [due, hold('passing'), tripped],
  rejecting: [tripped],
  'rejecting, asking': [tripped, due, { kind: 'tripped', reason: 'again' }],
  'held rejecting': [hold('rejecting')],
  'held rejecting, asking': [due, hold('rejecting')],
  probing: [tripped, due, { kind: 'probe_succeeded' }],
  'probing, asking': [tripped, due],
}

const events: Record<Kind, BreakerEvent> = {
  calls_succeeded: { kind: 'calls_succeeded', count: 1 },
  call_failed: failed,
  call_slow: { kind: 'call_slow' },
  call_missed: { kind: 'call_missed' },
  tripped: { kind: 'tripped', reason: 'anew' },
  probe_due: due,
  probe_succeeded: { kind: 'probe_succeeded' },
  probe_failed: { kind: 'probe_failed', reason: 'still away' },
  held: hold('rejecting'),
  released,
}

function situationOf(breaker: Breaker): Situation {
  const mode = modeOf(breaker)
  return breaker.probeOut ? `${mode}, asking` : mode
}

function modeOf(breaker: Breaker): Mode {
  if (breaker.state === 'probing') return 'probing'
  if (breaker.state === 'rejecting') return breaker.held ? 'held rejecting' : 'rejecting'
  if (breaker.held) return breaker.trouble === undefined ? 'held passing' : 'held troubled'
  return breaker.failures.inARow > 0 ? 'failing' : 'passing'
}

const held = (asking: '' | ', asking'): Pick<Row, 'held'> => ({ held: `held rejecting${asking}` })
const unmoved = {
  calls_succeeded: 'same',
  call_failed: 'same',
  call_slow: 'same',
  call_missed: 'same',
  tripped: 'same',
  probe_due: 'same',
  probe_succeeded: 'same',
  probe_failed: 'same',
  released: 'same',
} as const satisfies Omit<Row, 'held'>

/** Under `rules`, but for `probing`, which pauses between probes under `careful` only. */
const table: Record<Situation, Row> = {
  passing: {
    ...{ calls_succeeded: 'passing', call_failed: 'failing', call_slow: 'failing', call_missed: 'rejecting' },
    ...{ tripped: 'rejecting', probe_due: 'passing, asking', probe_succeeded: 'same', probe_failed: 'same' },
    ...{ ...held(''), released: 'same' },
  },
  'passing, asking': {
    ...{ calls_succeeded: 'passing, asking', call_failed: 'failing, asking', call_slow: 'failing, asking' },
    ...{ call_missed: 'rejecting, asking', tripped: 'rejecting, asking', probe_due: 'same' },
    ...{ probe_succeeded: 'passing', probe_failed: 'rejecting', ...held(', asking'), released: 'same' },
  },
  failing: {
    ...{
      calls_succeeded: 'passing',
      call_failed: 'rejecting',
      call_slow: 'rejecting',
      call_missed: 'rejecting',
    },
    ...{ tripped: 'rejecting', probe_due: 'failing, asking', probe_succeeded: 'same', probe_failed: 'same' },
    ...{ ...held(''), released: 'same' },
  },
  'failing, asking': {
    ...{
      calls_succeeded: 'passing, asking',
      call_failed: 'rejecting, asking',
      call_slow: 'rejecting, asking',
    },
    ...{ call_missed: 'rejecting, asking', tripped: 'rejecting, asking', probe_due: 'same' },
    ...{ probe_succeeded: 'failing', probe_failed: 'rejecting', ...held(', asking'), released: 'same' },
  },
  'held passing': {
    ...{ calls_succeeded: 'held passing', call_failed: 'held troubled', call_slow: 'held troubled' },
    ...{ call_missed: 'held troubled', tripped: 'held troubled', probe_due: 'same' },
    ...{ probe_succeeded: 'same', probe_failed: 'same', ...held(''), released: 'passing' },
  },
  'held passing, asking': {
    ...{ calls_succeeded: 'held passing, asking', call_failed: 'held troubled, asking' },
    ...{ call_slow: 'held troubled, asking', call_missed: 'held troubled, asking' },
    ...{ tripped: 'held troubled, asking', probe_due: 'same', probe_succeeded: 'held passing' },
    ...{ probe_failed: 'held troubled', ...held(', asking'), released: 'passing, asking' },
  },
  'held troubled': {
    ...{ calls_succeeded: 'held passing', call_failed: 'held troubled', call_slow: 'held troubled' },
    ...{ call_missed: 'held troubled', tripped: 'held troubled', probe_due: 'same' },
    ...{ probe_succeeded: 'same', probe_failed: 'same', ...held(''), released: 'rejecting' },
  },
  'held troubled, asking': {
    ...{ calls_succeeded: 'held passing, asking', call_failed: 'held troubled, asking' },
    ...{ call_slow: 'held troubled, asking', call_missed: 'held troubled, asking' },
    ...{ tripped: 'held troubled, asking', probe_due: 'same', probe_succeeded: 'held troubled' },
    ...{ probe_failed: 'held troubled', ...held(', asking'), released: 'rejecting, asking' },
  },
  rejecting: {
    ...{
      ...unmoved,
      ...held(''),
      calls_succeeded: 'passing',
      tripped: 'rejecting',
      probe_due: 'probing, asking',
    },
  },
  // The overtaken probe decides nothing; its end only makes room for the next one.
  'rejecting, asking': {
    ...{ ...unmoved, ...held(', asking'), calls_succeeded: 'passing, asking', tripped: 'rejecting, asking' },
    ...{ probe_due: 'rejecting, asking', probe_succeeded: 'rejecting', probe_failed: 'rejecting' },
  },
  'held rejecting': { ...unmoved, ...held(''), released: 'rejecting' },
  'held rejecting, asking': {
    ...{ ...unmoved, ...held(', asking'), released: 'rejecting, asking' },
    ...{ probe_succeeded: 'held rejecting', probe_failed: 'held rejecting' },
  },
  probing: { ...unmoved, ...held(''), tripped: 'rejecting', probe_due: 'probing, asking' },
  'probing, asking': {
    ...{ ...unmoved, ...held(', asking'), calls_succeeded: 'passing, asking', tripped: 'rejecting, asking' },
    ...{ probe_succeeded: 'passing', probe_failed: 'rejecting' },
  },
}

const situations = Object.keys(ways) as Situation[]
const kinds = Object.keys(events) as Kind[]
const rulesOf = (situation: Situation) => (situation === 'probing' ? careful : rules)

describe.each(situations)('a breaker that is %s', situation => {
  const from = after(ways[situation], rulesOf(situation))

  it('is what it is called', () => {
    expect(situationOf(from)).toBe(situation)
  })

  it.each(kinds)('has an answer to %s', kind => {
    const to = step(from, events[kind], { rules: rulesOf(situation), at, random })
    const expected = table[situation][kind]
    if (expected === 'same') expect(to).toBe(from)
    else expect(situationOf(to)).toBe(expected)
    if (to.state !== from.state) expect(to).toMatchObject({ since: at })
  })

  it('is held passing, and stays so', () => {
    const to = step(from, hold('passing'), { rules, at, random })
    expect(isHeld(to)).toBe(true)
    for (const kind of kinds.filter(each => each !== 'held' && each !== 'released')) {
      expect(step(to, events[kind], { rules, at, random })).toMatchObject({ state: 'passing', held: true })
    }
  })
})

describe('where slowness is only a doubt', () => {
  it.each([
    ['call_slow', 'passing, asking'],
    ['call_missed', 'passing, asking'],
    ['call_failed', 'failing, asking'],
  ] as const)('%s leads to a question', (kind, expected) => {
    expect(situationOf(after([events[kind]], doubting))).toBe(expected)
  })

  it('the answer decides', () => {
    const asked = after([{ kind: 'call_slow' }], doubting)
    expect(situationOf(after([{ kind: 'probe_succeeded' }], doubting, asked))).toBe('passing')
    expect(after([{ kind: 'probe_failed', reason: 'hung' }], doubting, asked)).toMatchObject({
      state: 'rejecting',
      reason: 'hung',
    })
  })
})

describe('where several probes have to succeed', () => {
  it('they do one after the other, with a rest between, and a failed one begins anew', () => {
    const first = after([tripped, due, { kind: 'probe_succeeded' }], careful)
    expect(first).toMatchObject({ state: 'probing', good: 1, probeOut: false })
    expect(nextProbeAt(first)).toBe(at + 100)
    expect(after([due, { kind: 'probe_succeeded' }], careful, first)).toMatchObject({ state: 'passing' })
    const again = after([due, { kind: 'probe_failed', reason: 'no' }, due], careful, first)
    expect(again).toMatchObject({ state: 'probing', good: 0 })
  })

  it('a single answered call is not enough', () => {
    expect(after([tripped, events.calls_succeeded], careful)).toMatchObject({ state: 'rejecting' })
    expect(after([tripped, due, events.calls_succeeded], careful)).toMatchObject({ state: 'probing' })
  })
})

describe('the window', () => {
  const call = (kind: 'good' | 'bad' | 'slow', when: number, breaker: Breaker) =>
    step(
      breaker,
      kind === 'good' ? events.calls_succeeded : kind === 'bad' ? failed : { kind: 'call_slow' },
      { rules, at: when, random },
    )
  const run = (calls: readonly ('good' | 'bad' | 'slow')[], gapMs: number) =>
    calls.reduce<Breaker>(
      (breaker, kind, i) => call(kind, at + i * gapMs, breaker),
      newBreaker({ rules, at, random }),
    )
  const mixed = (n: number) => Array.from({ length: n }, (_, i) => (i % 2 ? 'bad' : 'good') as 'bad' | 'good')

  it('makes it reject when half of enough calls have failed, however they are mixed', () => {
    expect(run(mixed(9), 10).state).toBe('passing')
    expect(run(mixed(10), 10)).toMatchObject({ state: 'rejecting', reason: 'too many failed calls: no' })
  })

  it('counts slow calls as failures', () => {
    expect(
      run(
        mixed(10).map(each => (each === 'bad' ? 'slow' : each)),
        10,
      ).state,
    ).toBe('rejecting')
  })

  it('forgets what is older', () => {
    expect(run(mixed(100), 200).state).toBe('passing')
  })

  it('weighs the calls that succeeded, all of them', () => {
    const busy = step(
      newBreaker({ rules, at, random }),
      { kind: 'calls_succeeded', count: 100 },
      { rules, at, random },
    )
    const after = mixed(40).reduce<Breaker>((breaker, kind) => call(kind, at, breaker), busy)
    expect(after.state).toBe('passing')
  })
})

describe('the rest', () => {
  const vain: BreakerEvent = { kind: 'probe_failed', reason: 'no' }
  const restOf = (breaker: Breaker, now = at) => (nextProbeAt(breaker) ?? Number.NaN) - now

  it('doubles after each vain probe up to the most, and is jittered by half', () => {
    let breaker = after([tripped], rules)
    const rests = [restOf(breaker)]
    for (let i = 0; i < 4; i++) {
      breaker = after([due, vain], rules, breaker)
      rests.push(restOf(breaker))
    }
    expect(rests).toEqual([100, 200, 400, 400, 400])
    for (const [draw, rest] of [
      [0, 50],
      [0.999, 149.9],
    ] as const) {
      const jittered = step(after([], rules), tripped, { rules, at, random: () => draw })
      expect(restOf(jittered)).toBeCloseTo(rest)
    }
  })

  it('begins anew only after it has passed for a while: one that answers probes and fails calls is asked seldom', () => {
    const recovered = after([tripped, due, { kind: 'probe_succeeded' }], rules)
    const soon = step(recovered, tripped, { rules, at: at + 10, random })
    expect(restOf(soon, at + 10)).toBe(200)
    const later = step(recovered, tripped, { rules, at: at + 1_000, random })
    expect(restOf(later, at + 1_000)).toBe(100)
  })
})

it('released, it looks at once; held passing over a trouble, too, unless a call was answered since', () => {
  for (const way of [
    [hold('rejecting'), released],
    [tripped, hold('passing'), released],
    [hold('passing'), tripped, released],
  ]) {
    expect(nextProbeAt(after(way, rules))).toBe(at)
  }
  expect(after([tripped, hold('passing'), events.calls_succeeded, released], rules).state).toBe('passing')
})
