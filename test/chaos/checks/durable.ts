import type { Attempt, Channel, Stored } from '../types.ts'
import { checkCommands } from './commands.ts'
import type { Findings } from './findings.ts'
import type { History, Subscription } from './history.ts'
import { checkModels } from './models.ts'
import { missingOf, noSets, repeated, type Sets, sum, total } from './sets.ts'

/** What is promised about events, and the sets that show it. */
export function checkDurable(history: History, findings: Findings): Sets {
  const all = history
    .channels('durable')
    .map(channel => checkChannel(channel, history, findings))
    .reduce(add, noSets)
  return {
    ...all,
    wrongEffects: checkEffects(history, findings),
    wrongRows: checkModels(history, findings),
    wrongCommands: checkCommands(history, findings),
  }
}

function checkChannel(channel: Channel, history: History, findings: Findings): Sets {
  const store = history.recorded.stored.find(each => each.channel === channel.name)
  const attempts = history.attempts(channel)
  const subscriptions = history.subscriptions.filter(each => each.channel === channel)
  const acknowledged = attempts.filter(({ outcome }) => outcome === 'ok')
  const inStore = new Set(store?.values.map(({ value }) => value))
  const lostFromStore = store ? acknowledged.filter(({ value }) => !inStore.has(value)) : []
  for (const { value, writer } of lostFromStore)
    findings.add(
      'nothing acknowledged is lost',
      `${channel.name}: ${value} of ${writer} was acknowledged and is not stored`,
    )

  const expected = store
    ? [...store.values.map(({ value }) => value), ...lostFromStore.map(({ value }) => value)]
    : orderOf(subscriptions, acknowledged)
  const offsets = store ? checkStore(channel, store, history, findings) : 0
  const each = subscriptions.map(one => checkSubscription(one, expected, store, history, findings))
  const came = new Set(subscriptions.flatMap(({ deliveries }) => deliveries.map(({ value }) => value)))
  const there = store ? inStore : came
  const lostBySome = new Set(each.flatMap(({ missing }) => missing))
  const unknown = attempts.filter(({ outcome }) => outcome === 'unknown')
  return {
    attempted: attempts.length,
    acknowledged: acknowledged.length,
    recovered: unknown.filter(({ value }) => there.has(value)).length,
    failed: attempts.filter(({ outcome }) => outcome === 'failed').length,
    unknown: unknown.length,
    stored: inStore.size,
    delivered: each.reduce((count, one) => count + one.delivered, 0),
    lost: store ? lostFromStore.length : lostBySome.size,
    missing: each.map(one => one.where).reduce(sum, noSets.missing),
    duplicated: each.reduce((count, one) => count + one.duplicated, 0),
    outOfOrder: each.reduce((count, one) => count + one.outOfOrder, 0),
    phantom: new Set([...phantoms(channel, [...inStore], history), ...phantoms(channel, [...came], history)])
      .size,
    unexpectedOffsets: offsets + each.reduce((count, one) => count + one.wrongOffsets, 0),
    wrongEffects: 0,
    wrongRows: 0,
    wrongCommands: 0,
    told: each.reduce((count, one) => count + one.told, 0),
  }
}

/** Where nothing is stored, the order is that of the subscriber who has most; what did not reach it comes after. */
function orderOf(
  subscriptions: readonly Subscription[],
  acknowledged: readonly Attempt[],
): readonly string[] {
  const wanted = new Set(acknowledged.map(({ value }) => value))
  const most = subscriptions.toSorted((a, b) => b.deliveries.length - a.deliveries.length)[0]
  const came = most?.deliveries.map(({ value }) => value).filter(value => wanted.has(value)) ?? []
  return [...new Set([...came, ...wanted])]
}

/** The store alone: dense offsets, each value once, where its writer was told that it is. */
function checkStore(channel: Channel, store: Stored, history: History, findings: Findings): number {
  let unexpected = 0
  store.values.forEach(({ value, offset }, i) => {
    const acknowledged = history.attempt(value)?.offset
    const before = i === 0 ? 0 : (store.values[i - 1]?.offset ?? 0)
    const wrong =
      offset !== before + 1
        ? `offset ${offset} follows ${before}`
        : acknowledged !== undefined && acknowledged !== offset
          ? `${value} is at ${offset}, its writer was told ${acknowledged}`
          : undefined
    if (wrong === undefined) return
    unexpected++
    findings.add('one order', `${channel.name} as stored: ${wrong}`)
  })
  const values = store.values.map(({ value }) => value)
  for (const value of repeated(values))
    findings.add('no duplicate', `${channel.name}: ${value} is stored twice`)
  for (const value of phantoms(channel, values, history))
    findings.add('no phantom', `${channel.name}: ${value} is stored, ${whyPhantom(value, history)}`)
  return unexpected
}

function checkSubscription(
  { subscriber, channel, deliveries, told }: Subscription,
  expected: readonly string[],
  store: Stored | undefined,
  history: History,
  findings: Findings,
) {
  const at = `${subscriber.name} in ${channel.name}`
  const values = deliveries.map(({ value }) => value)
  const came = new Set(values)
  const missing = expected.filter(value => !came.has(value))
  const where = missingOf(expected, came)
  if (total(where) > 0) {
    const { prefix, middle, postfix } = where
    const first = missing.slice(0, 3).join(', ')
    findings.add(
      'nothing stored is missing at a subscriber',
      `${at}: ${missing.length} missing (${prefix} at the beginning, ${middle} between, ${postfix} at the end): ${first}`,
    )
  }
  const duplicates = repeated(values)
  for (const value of duplicates) findings.add('no duplicate', `${at}: ${value} came again`)
  for (const value of phantoms(channel, values, history))
    findings.add('no phantom', `${at}: ${value} came, ${whyPhantom(value, history)}`)

  // Of one that is stored twice the first place counts.
  const places = new Map(expected.map((value, i) => [value, i] as const).toReversed())
  const offsets = new Map(store?.values.map(({ value, offset }) => [value, offset] as const).toReversed())
  let last = -1
  let outOfOrder = 0
  let wrongOffsets = 0
  for (const { value, offset } of deliveries) {
    const place = places.get(value)
    if (place !== undefined && place < last && !duplicates.includes(value)) {
      outOfOrder++
      findings.add('one order', `${at}: ${value} came after ${expected[last]}`)
    }
    last = Math.max(last, place ?? -1)
    const right = offsets.get(value)
    if (offset !== undefined && right !== undefined && offset !== right) {
      wrongOffsets++
      findings.add('one order', `${at}: ${value} came as offset ${offset}, it is stored at ${right}`)
    }
  }
  for (const { at: when } of told)
    findings.add('no false alarm', `${at}: told of a loss at ${Math.round(when)} ms`)
  return {
    missing,
    where,
    delivered: came.size,
    duplicated: duplicates.length,
    outOfOrder,
    wrongOffsets,
    told: told.length,
  }
}

function checkEffects({ recorded }: History, findings: Findings): number {
  let wrong = 0
  for (const { processor, times } of recorded.effects) {
    const stored = recorded.stored.flatMap(({ values }) => values.map(({ value }) => value))
    const known = new Set(stored)
    for (const value of new Set([...stored, ...Object.keys(times)])) {
      const found = times[value] ?? 0
      if (found === (known.has(value) ? 1 : 0)) continue
      wrong++
      findings.add('exactly once in effect', `${processor}: the effect of ${value} is there ${found} times`)
    }
  }
  return wrong
}

/** Never tried in this channel, or finally refused. */
export function phantoms(channel: Channel, values: readonly string[], history: History): string[] {
  return values.filter(value => {
    const attempt = history.attempt(value)
    return attempt?.channel !== channel.name || attempt.outcome === 'failed'
  })
}

export function whyPhantom(value: string, history: History): string {
  const attempt = history.attempt(value)
  return attempt ? `which was ${attempt.outcome} in ${attempt.channel}` : 'which nobody sent'
}

function add(one: Sets, other: Sets): Sets {
  const keys = Object.keys(noSets).filter(key => key !== 'missing') as Exclude<keyof Sets, 'missing'>[]
  const numbers = Object.fromEntries(keys.map(key => [key, one[key] + other[key]]))
  return { ...one, ...numbers, missing: sum(one.missing, other.missing) }
}
