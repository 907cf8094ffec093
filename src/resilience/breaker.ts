import type {
  Breaker,
  BreakerEvent,
  Common,
  Passing,
  Probing,
  Rejecting,
  Surroundings,
} from './breaker-states.ts'
import { emptyWindow, isBroken, withFailure, withSuccesses } from './failure-window.ts'

/** `away`: why it has to be found first; without it calls may begin at once. */
export function newBreaker(around: Surroundings, away?: string): Breaker {
  const fresh = passing(around.at, 'new', { probeOut: false, restMs: around.rules.restMs.first })
  return away === undefined ? fresh : rejecting(fresh, away, around)
}

/**
 * passing → rejecting (a missed deadline, failures, or `tripped`) → probing → passing, or rejecting again.
 *
 * Pure. An event that changes nothing returns the very same value.
 */
export function step(breaker: Breaker, event: BreakerEvent, around: Surroundings): Breaker {
  switch (breaker.state) {
    case 'passing':
      return stepPassing(breaker, event, around)
    case 'rejecting':
      return stepRejecting(breaker, event, around)
    case 'probing':
      return stepProbing(breaker, event, around)
  }
}

/** When the next probe has to begin; undefined where none is to begin by itself. */
export function nextProbeAt(breaker: Breaker): number | undefined {
  if (breaker.state === 'passing' || breaker.probeOut) return undefined
  return breaker.state === 'rejecting' && breaker.held ? undefined : breaker.probeAt
}

export function isHeld(breaker: Breaker): boolean {
  return breaker.state !== 'probing' && breaker.held
}

function stepPassing(breaker: Passing, event: BreakerEvent, around: Surroundings): Breaker {
  const { rules, at } = around
  switch (event.kind) {
    case 'calls_succeeded':
      return {
        ...breaker,
        trouble: undefined,
        failures: withSuccesses(breaker.failures, event.count, at, rules.window),
      }
    case 'call_failed':
      return afterFailure(breaker, event.reason, around, rules.slowness === 'doubt')
    case 'call_slow':
      return rules.slowness === 'doubt' ? asking(breaker) : afterFailure(breaker, 'slow', around, false)
    case 'call_missed':
      return rules.slowness === 'doubt' ? asking(breaker) : troubled(breaker, 'no answer in time', around)
    case 'tripped':
      return troubled(breaker, event.reason, around)
    case 'probe_due':
      return asking(breaker)
    case 'probe_succeeded':
      return breaker.probeOut ? { ...breaker, probeOut: false } : breaker
    case 'probe_failed':
      return breaker.probeOut ? troubled({ ...breaker, probeOut: false }, event.reason, around) : breaker
    case 'held':
      return held(breaker, event, around)
    case 'released':
      if (!breaker.held) return breaker
      if (breaker.trouble !== undefined) return lookingAtOnce(breaker, breaker.trouble, around)
      return { ...breaker, held: false, reason: event.reason, failures: emptyWindow }
  }
}

function stepRejecting(breaker: Rejecting, event: BreakerEvent, around: Surroundings): Breaker {
  switch (event.kind) {
    case 'calls_succeeded':
      return breaker.held ? breaker : proven(breaker, around)
    case 'call_failed':
    case 'call_slow':
    case 'call_missed':
      return breaker
    case 'tripped':
      return breaker.held || breaker.reason === event.reason ? breaker : { ...breaker, reason: event.reason }
    case 'probe_due':
      if (breaker.held) return breaker
      return breaker.probeOut ? { ...breaker, probeAt: around.at } : probing(breaker, around)
    case 'probe_succeeded':
    case 'probe_failed':
      return breaker.probeOut ? { ...breaker, probeOut: false } : breaker
    case 'held':
      return held(breaker, event, around)
    case 'released':
      return breaker.held ? lookingAtOnce(breaker, event.reason, around) : breaker
  }
}

function stepProbing(breaker: Probing, event: BreakerEvent, around: Surroundings): Breaker {
  const { rules, at } = around
  switch (event.kind) {
    case 'calls_succeeded':
      return proven(breaker, around)
    case 'call_failed':
    case 'call_slow':
    case 'call_missed':
      return breaker
    case 'tripped':
      return rejecting(breaker, event.reason, around)
    case 'probe_due':
      return breaker.probeOut ? breaker : { ...breaker, probeOut: true }
    case 'probe_succeeded': {
      if (!breaker.probeOut) return breaker
      const good = breaker.good + 1
      if (good >= rules.goodProbes) return passing(at, 'it answers', { ...breaker, probeOut: false })
      return { ...breaker, good, probeOut: false, probeAt: at + jittered(rules.restMs.first, around) }
    }
    case 'probe_failed':
      return breaker.probeOut ? rejecting({ ...breaker, probeOut: false }, event.reason, around) : breaker
    case 'held':
      return held(breaker, event, around)
    case 'released':
      return breaker
  }
}

function passing(
  at: number,
  reason: string,
  { probeOut, restMs }: Pick<Common, 'probeOut' | 'restMs'>,
): Passing {
  return {
    state: 'passing',
    since: at,
    reason,
    probeOut,
    restMs,
    held: false,
    failures: emptyWindow,
    trouble: undefined,
  }
}

function rejecting(breaker: Passing | Probing, reason: string, around: Surroundings): Rejecting {
  const { rules, at } = around
  const { first, most } = rules.restMs
  // Where it passed for a moment only, the trouble is the old one: a dependency that answers probes and fails calls
  // is not asked ten times a second for ever.
  const steady = breaker.state === 'passing' && at - breaker.since >= rules.window.ms
  const restMs = steady ? first : breaker.restMs
  return {
    state: 'rejecting',
    since: at,
    reason,
    probeOut: breaker.probeOut,
    restMs: Math.min(restMs * 2, most),
    held: false,
    probeAt: at + jittered(restMs, around),
  }
}

function probing({ restMs }: Rejecting, { at }: Surroundings): Probing {
  const reason = 'looking whether it is back'
  return { state: 'probing', since: at, reason, probeOut: true, restMs, good: 0, probeAt: at }
}

/** A real call was answered: that is as good as a probe, and better than one that asks for nothing but life. */
function proven(breaker: Rejecting | Probing, { rules, at }: Surroundings): Breaker {
  return rules.goodProbes === 1 ? passing(at, 'a call was answered', breaker) : breaker
}

/** Rejecting, and due for a probe: nobody knows how it is. */
function lookingAtOnce(breaker: Passing | Rejecting, reason: string, { rules, at }: Surroundings): Rejecting {
  return {
    state: 'rejecting',
    since: breaker.state === 'rejecting' ? breaker.since : at,
    reason,
    probeOut: breaker.probeOut,
    restMs: rules.restMs.first,
    held: false,
    probeAt: at,
  }
}

function held(
  breaker: Breaker,
  { as, reason }: BreakerEvent & { kind: 'held' },
  { rules, at }: Surroundings,
): Breaker {
  const { probeOut } = breaker
  const restMs = rules.restMs.first
  const since = breaker.state === as ? breaker.since : at
  if (as === 'rejecting') {
    return { state: 'rejecting', since, reason, probeOut, restMs, held: true, probeAt: at }
  }
  // What made it reject is still to be looked at when it is released.
  const trouble =
    breaker.state !== 'passing'
      ? `passed over: ${breaker.reason}`
      : breaker.held
        ? breaker.trouble
        : undefined
  return { ...passing(since, reason, { probeOut, restMs }), held: true, trouble }
}

function asking(breaker: Passing): Passing {
  return breaker.probeOut || breaker.held ? breaker : { ...breaker, probeOut: true }
}

function afterFailure(breaker: Passing, reason: string, around: Surroundings, asks: boolean): Breaker {
  const { rules, at } = around
  if (breaker.held) return troubled(breaker, reason, around)
  const failures = withFailure(breaker.failures, at, rules.window)
  const counted = { ...breaker, failures }
  if (failures.inARow >= rules.inARow) {
    return troubled(counted, `${failures.inARow} failed calls in a row: ${reason}`, around)
  }
  if (isBroken(failures, at, rules.window)) {
    return troubled(counted, `too many failed calls: ${reason}`, around)
  }
  return asks ? asking(counted) : counted
}

function troubled(breaker: Passing, reason: string, around: Surroundings): Passing | Rejecting {
  if (!breaker.held) return rejecting(breaker, reason, around)
  return { ...breaker, trouble: reason }
}

/** Half to one and a half of the time, so that many nodes do not probe in step. */
function jittered(ms: number, { random }: Surroundings): number {
  return ms * (0.5 + random())
}
