import type { Channel } from '../types.ts'
import { phantoms, whyPhantom } from './durable.ts'
import { Findings } from './findings.ts'
import type { History, Subscription } from './history.ts'
import { repeated } from './sets.ts'

/** What became of signals; that some are lost while nodes can't reach each other is no fault. */
export interface SignalSets {
  readonly attempted: number
  readonly acknowledged: number
  readonly delivered: number
  /** Acknowledged and not delivered, for each subscriber: on the writer's own node, and on another. */
  readonly lostLocally: number
  readonly lostAcross: number
  readonly duplicated: number
  readonly outOfOrder: number
  readonly phantom: number
  readonly late: number
  /** Missing on channels that recover, without a word about it. */
  readonly untold: number
  readonly told: number
}

export interface RealtimeRules {
  /** What is delivered so much later than it was sent has been kept for later. */
  readonly lateMs: number
  /** Nodes that the fault itself stops. */
  readonly strikes: readonly number[]
}

/** What is promised about signals. */
export function checkRealtime(history: History, rules: RealtimeRules, findings: Findings): SignalSets {
  const channels = history.channels('realtime')
  const attempts = channels.flatMap(channel => history.attempts(channel))
  const each = history.of('realtime').map(one => checkSubscription(one, history, rules, findings))
  const sum = (count: (one: (typeof each)[number]) => number) =>
    each.reduce((all, one) => all + count(one), 0)
  return {
    attempted: attempts.length,
    acknowledged: attempts.filter(({ outcome }) => outcome === 'ok').length,
    delivered: sum(one => one.delivered),
    lostLocally: sum(one => one.lostLocally),
    lostAcross: sum(one => one.lostAcross),
    duplicated: sum(one => one.duplicated),
    outOfOrder: sum(one => one.outOfOrder),
    phantom: sum(one => one.phantom),
    late: sum(one => one.late),
    untold: sum(one => one.untold),
    told: sum(one => one.told),
  }
}

function checkSubscription(one: Subscription, history: History, rules: RealtimeRules, findings: Findings) {
  const { subscriber, channel, deliveries, told } = one
  const at = `${subscriber.name} in ${channel.name}`
  const values = deliveries.map(({ value }) => value)
  const duplicates = repeated(values)
  for (const value of duplicates) findings.add('no duplicate', `${at}: ${value} came again`)
  const unknown = phantoms(channel, values, history)
  for (const value of unknown)
    findings.add('no phantom', `${at}: ${value} came, ${whyPhantom(value, history)}`)
  const { lostLocally, lostAcross, untold } = checkMissing(one, new Set(values), history, rules, findings)
  return {
    delivered: new Set(values).size,
    lostLocally,
    lostAcross,
    untold,
    duplicated: duplicates.length,
    outOfOrder: checkOrder(one, new Set(duplicates), history, findings),
    phantom: unknown.length,
    late: checkAge(one, history, rules, findings),
    told: told.length,
  }
}

function checkOrder(
  one: Subscription,
  duplicates: ReadonlySet<string>,
  history: History,
  findings: Findings,
): number {
  const last = new Map<string, number>()
  let outOfOrder = 0
  for (const { value } of one.deliveries) {
    const attempt = history.attempt(value)
    if (!attempt || attempt.channel !== one.channel.name || duplicates.has(value)) continue
    const before = last.get(attempt.writer) ?? 0
    if (attempt.sequence < before) {
      outOfOrder++
      findings.add(
        'order per publisher',
        `${one.subscriber.name} in ${one.channel.name}: ${value} came after number ${before} of ${attempt.writer}`,
      )
    }
    last.set(attempt.writer, Math.max(before, attempt.sequence))
  }
  return outOfOrder
}

/** Recovered signals may be old: they are asked for, and come from the channel's short memory. */
function checkAge(one: Subscription, history: History, rules: RealtimeRules, findings: Findings): number {
  if (one.channel.recoverable) return 0
  let late = 0
  for (const { value, at } of one.deliveries) {
    const attempt = history.attempt(value)
    if (!attempt || at - attempt.sentAt <= rules.lateMs) continue
    // What a stopped process had before it was stopped comes when that goes on.
    if (struck(rules, one.subscriber.node) || struck(rules, history.nodeOf(attempt))) continue
    late++
    findings.add(
      'nothing late',
      `${one.subscriber.name} in ${one.channel.name}: ${value} came ${Math.round(at - attempt.sentAt)} ms after it was sent`,
    )
  }
  return late
}

function checkMissing(
  { subscriber, channel, told }: Subscription,
  came: ReadonlySet<string>,
  history: History,
  rules: RealtimeRules,
  findings: Findings,
) {
  const heardUntil = told.reduce((last, { at }) => Math.max(last, at), -Infinity)
  let lostLocally = 0
  let lostAcross = 0
  let untold = 0
  for (const attempt of history.attempts(channel)) {
    if (attempt.outcome !== 'ok' || came.has(attempt.value)) continue
    const local = history.nodeOf(attempt) === subscriber.node
    const what = `${subscriber.name} in ${channel.name}: ${attempt.value} never came`
    if (local) lostLocally++
    else lostAcross++
    if (channel.recoverable && attempt.sentAt > heardUntil) {
      untold++
      findings.add('no silent gap', `${what}, and nothing was said about it`)
    }
    if (local && attempt.sentAt > heardUntil && !struck(rules, subscriber.node))
      findings.add('local signals arrive', `${what}, sent on its own node`)
  }
  return { lostLocally, lostAcross, untold }
}

/** How many signals are missing on channels that recover, so far without a word about them. */
export function silentGaps(history: History): number {
  const rules = { lateMs: Infinity, strikes: [] }
  return history
    .of('realtime')
    .map(one =>
      checkMissing(one, new Set(one.deliveries.map(({ value }) => value)), history, rules, new Findings()),
    )
    .reduce((count, { untold }) => count + untold, 0)
}

function struck({ strikes }: RealtimeRules, node: number | undefined): boolean {
  return node !== undefined && strikes.includes(node)
}

/** On channels of this tier that are judged for silence: plain signals. */
export function isPlain({ tier, recoverable }: Channel): boolean {
  return tier === 'realtime' && !recoverable
}
