import type { Recorded } from '../types.ts'
import type { Findings } from './findings.ts'
import type { History, Subscription } from './history.ts'
import { isPlain } from './realtime.ts'

/** What is measured in a run, to be compared with the same run without the fault. */
export interface Measures {
  /** The longest time for which something was sent and nothing came, on one node: since the fault began, and before. */
  readonly silenceMs: number
  readonly silenceBeforeMs: number
  /** From the end of the fault to the end of the last trouble; undefined where there was no fault. */
  readonly recoveryMs: number | undefined
  /** The most that one process had above what it had before the fault, at any time and in the end. */
  readonly memoryPeakBytes: number
  readonly memoryEndBytes: number
  /** From the acknowledgement of an event to its last subscriber who was there, at most. */
  readonly eventLagMs: number
  readonly stallMs: number
}

export interface Bounds {
  /** The same run without the fault; the silence of a run that has none is not judged. */
  readonly baseline?: Measures
  readonly silenceMs: number
  readonly recoveryMs: number
  readonly memoryPeakBytes: number
  readonly memoryEndBytes: number
  readonly strikes: readonly number[]
}

export function measure(history: History, strikes: readonly number[]): Measures {
  const { recorded } = history
  const plain = history.subscriptions.filter(
    ({ channel, subscriber }) => isPlain(channel) && !strikes.includes(subscriber.node),
  )
  const begin = recorded.phases.injectedAt ?? recorded.phases.steadyAt
  const longest = (from: number, to: number) =>
    Math.max(0, ...plain.map(one => silence(one, history, from, to)))
  return {
    silenceMs: longest(begin, Infinity),
    silenceBeforeMs: longest(0, begin),
    recoveryMs: recoveryMs(history),
    ...memory(recorded),
    eventLagMs: eventLagMs(history, strikes),
    stallMs: recorded.stallMs,
  }
}

export function checkBounds(
  measures: Measures,
  bounds: Bounds,
  recorded: Recorded,
  findings: Findings,
): void {
  const { baseline } = bounds
  if (baseline) {
    // What the runner itself missed it can't tell from silence.
    const stalled = Math.max(0, measures.stallMs - baseline.stallMs)
    const without = Math.max(baseline.silenceMs, measures.silenceBeforeMs)
    if (measures.silenceMs > without + bounds.silenceMs + stalled)
      findings.add(
        'no silence',
        `local deliveries paused for ${ms(measures.silenceMs)}; without the fault for ${ms(without)}`,
      )
  }
  if (measures.recoveryMs !== undefined && measures.recoveryMs > bounds.recoveryMs)
    findings.add('recovery in time', `troubles until ${ms(measures.recoveryMs)} after the fault had ended`)
  if (measures.memoryPeakBytes > bounds.memoryPeakBytes)
    findings.add('memory bounded', `a process took ${mib(measures.memoryPeakBytes)} more than before`)
  if (measures.memoryEndBytes > bounds.memoryEndBytes)
    findings.add('memory bounded', `a process kept ${mib(measures.memoryEndBytes)} more than before`)
  for (const death of recorded.deaths) findings.add('all alive', death)
}

/** A run in which nothing was accepted keeps every other promise. */
export function checkQuiet({ attempts, channels, phases }: Recorded, findings: Findings): void {
  const until = phases.injectedAt ?? phases.stoppedAt
  const quiet = attempts.filter(({ endedAt }) => endedAt < until)
  for (const { value, outcome } of quiet)
    if (outcome !== 'ok') findings.add('no trouble without a fault', `${value} was ${outcome}`)
  for (const { name } of channels)
    if (!quiet.some(({ channel, outcome }) => channel === name && outcome === 'ok'))
      findings.add('no trouble without a fault', `nothing was accepted in ${name}`)
}

/**
 * The longest wait for local signals that ended between `from` and `to`. A wait begins when something is sent after the last that came, so that a writer
 * who sends nothing makes no silence.
 */
function silence(
  { subscriber, channel, deliveries }: Subscription,
  history: History,
  from: number,
  to: number,
): number {
  const local = (value: string) => {
    const attempt = history.attempt(value)
    return attempt !== undefined && history.nodeOf(attempt) === subscriber.node
  }
  const sent = history
    .attempts(channel)
    .filter(attempt => history.nodeOf(attempt) === subscriber.node && attempt.outcome === 'ok')
    .map(({ sentAt }) => sentAt)
  const came = deliveries.filter(({ value }) => local(value)).map(({ at }) => at)
  let longest = 0
  let next = 0
  let last = -Infinity
  for (const at of came) {
    while (next < sent.length && (sent[next] ?? 0) < last) next++
    const since = sent[next]
    if (since !== undefined && since < at && at >= from && at < to) longest = Math.max(longest, at - since)
    last = at
  }
  return longest
}

/**
 * The end of the last trouble after the fault had ended: a signal that did not reach everybody, an answer other than
 * yes, an event that took more than a moment to be everywhere.
 */
export function lastTrouble(history: History, since: number, until = Infinity): number | undefined {
  let last: number | undefined
  const trouble = (at: number) => {
    if (last === undefined || at > last) last = at
  }
  const { attempts } = history.recorded
  for (const { outcome, sentAt, endedAt } of attempts)
    if (sentAt >= since && sentAt < until && outcome !== 'ok') trouble(endedAt)
  for (const { channel, deliveries } of history.subscriptions) {
    const came = new Map(deliveries.map(({ value, at }) => [value, at]))
    for (const { value, sentAt, endedAt, outcome } of history.attempts(channel)) {
      if (outcome !== 'ok' || sentAt < since || sentAt >= until) continue
      const at = came.get(value)
      if (at === undefined) trouble(endedAt)
      else if (at - sentAt > slowMs) trouble(at)
    }
  }
  return last
}

/** Later than this is trouble, also where it comes in the end. */
const slowMs = 1_000

/** Whoever joins late, or sits on a node that was stopped, is not meant. */
function eventLagMs(history: History, strikes: readonly number[]): number {
  const { stoppedAt } = history.recorded.phases
  let longest = 0
  for (const { deliveries, subscriber } of history.of('durable')) {
    if (strikes.includes(subscriber.node) || (deliveries[0]?.at ?? Infinity) > stoppedAt) continue
    for (const { value, at } of deliveries) {
      const attempt = history.attempt(value)
      if (attempt?.outcome === 'ok') longest = Math.max(longest, at - attempt.endedAt)
    }
  }
  return longest
}

function recoveryMs(history: History): number | undefined {
  const { healedAt } = history.recorded.phases
  if (healedAt === undefined) return undefined
  return Math.max(0, (lastTrouble(history, healedAt) ?? healedAt) - healedAt)
}

function memory({ memory, phases }: Recorded): { memoryPeakBytes: number; memoryEndBytes: number } {
  if (phases.injectedAt === undefined) return { memoryPeakBytes: 0, memoryEndBytes: 0 }
  const before = phases.injectedAt
  let memoryPeakBytes = 0
  let memoryEndBytes = 0
  for (const samples of Map.groupBy(memory, sample => sample.process).values()) {
    const steady = Math.max(0, ...samples.filter(({ at }) => at <= before).map(({ bytes }) => bytes))
    const peak = Math.max(0, ...samples.map(({ bytes }) => bytes))
    memoryPeakBytes = Math.max(memoryPeakBytes, peak - steady)
    memoryEndBytes = Math.max(memoryEndBytes, (samples.at(-1)?.bytes ?? 0) - steady)
  }
  return { memoryPeakBytes, memoryEndBytes }
}

const ms = (value: number) => `${Math.round(value)} ms`
const mib = (value: number) => `${Math.round(value / 1_048_576)} MiB`
