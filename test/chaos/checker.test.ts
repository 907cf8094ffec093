import { describe, expect, it } from 'vitest'
import { seeded } from '../support/seeded.ts'
import { type JudgeOptions, judge } from './checker.ts'
import { type Draft, generatedRun, modelsOf } from './generated-run.ts'
import type { Invariant } from './types.ts'

const seed = 1 + Math.floor(Math.random() * 1e6)
const quiet = {
  silenceMs: 0,
  silenceBeforeMs: 0,
  recoveryMs: undefined,
  memoryPeakBytes: 0,
  memoryEndBytes: 0,
  eventLagMs: 0,
  stallMs: 0,
}

/** What the checker finds in a generated run to which something was done. */
function found(plant: (draft: Draft, random: () => number) => void, options: JudgeOptions = {}): Invariant[] {
  const draft = generatedRun(seed)
  plant(draft, seeded(seed + 1))
  return judge(draft, options).violations.map(({ invariant }) => invariant)
}

/** One of those that are meant, by chance, and where it is. */
function pick<T>(list: readonly T[], meant: (one: T) => boolean, random: () => number): [T, number] {
  const places = list.flatMap((one, i) => (meant(one) ? [i] : []))
  const place = places[Math.floor(random() * places.length)] ?? -1
  const one = list[place]
  if (one === undefined) throw new Error(`seed ${seed} has no such thing`)
  return [one, place]
}

const inOrders = ({ channel }: { channel: string }) => channel.startsWith('order:')
const inAccount = ({ channel }: { channel: string }) => channel.startsWith('account:')
const inRoom = ({ channel }: { channel: string }) => channel === 'room:1'
const isOk = ({ outcome }: { outcome: string }) => outcome === 'ok'

describe(`the checker, seed ${seed}`, () => {
  it('passes runs in which every promise is kept', () => {
    for (let i = 0; i < 30; i++) {
      const run = generatedRun(seed + i)
      const verdict = judge(run, { baseline: quiet })
      expect(verdict.violations).toEqual([])
      const { attempted, acknowledged, failed, unknown, stored, recovered } = verdict.events
      expect(attempted).toBe(acknowledged + failed + unknown)
      expect(stored).toBe(acknowledged + recovered)
      expect(verdict.signals.lostAcross).toBeGreaterThan(0)
    }
  })

  it('reads a record that was written as JSON the same', () => {
    const run = generatedRun(seed)
    expect(judge(JSON.parse(JSON.stringify(run)))).toEqual(judge(run))
  })

  it.each<[string, Invariant[], (draft: Draft, random: () => number) => void]>([
    [
      'an acknowledged event that the store has not',
      ['nothing acknowledged is lost'],
      (draft, random) => {
        // The last of its channel, so that the rest of the numbering stays.
        const [store] = pick(draft.stored, inOrders, random)
        const known = store.values.findLast(({ value }) =>
          draft.attempts.some(each => each.value === value && isOk(each)),
        )
        const gone = store.values.slice(store.values.indexOf(known ?? { value: '', offset: 0 }))
        const values = new Set(gone.map(({ value }) => value))
        store.values = store.values.filter(({ value }) => !values.has(value))
        for (const each of draft.effects)
          each.times = Object.fromEntries(Object.entries(each.times).filter(([value]) => !values.has(value)))
        draft.models = modelsOf(draft.stored)
      },
    ],
    [
      'a stored event that a subscriber never got',
      ['nothing stored is missing at a subscriber'],
      (draft, random) => draft.deliveries.splice(pick(draft.deliveries, inOrders, random)[1], 1),
    ],
    [
      'an event that is given to a subscription again',
      ['no duplicate'],
      (draft, random) => {
        const [delivery, place] = pick(draft.deliveries, inOrders, random)
        draft.deliveries.splice(place + 9, 0, { ...delivery })
      },
    ],
    [
      'an event that is stored twice',
      ['no duplicate'],
      (draft, random) => {
        const [store] = pick(draft.stored, inOrders, random)
        const [first] = store.values
        if (first) store.values = [...store.values, { ...first, offset: store.values.length + 1 }]
        // At that second place its writer was not told it is, but at the first.
        for (const each of draft.attempts) if (each.value === first?.value) delete each.offset
        for (const each of draft.deliveries) if (each.value === first?.value) delete each.offset
        draft.models = modelsOf(draft.stored)
      },
    ],
    [
      'two events in another order at one subscriber',
      ['one order'],
      (draft, random) => {
        const [one, place] = pick(draft.deliveries, inOrders, random)
        const mine = (each: { channel: string; subscriber: string }) =>
          each.channel === one.channel && each.subscriber === one.subscriber
        const before = draft.deliveries.slice(0, place).findLastIndex(mine)
        const other = before < 0 ? draft.deliveries.findIndex((each, i) => i > place && mine(each)) : before
        draft.deliveries[place] = draft.deliveries[other] ?? one
        draft.deliveries[other] = one
      },
    ],
    [
      'an event that nobody sent',
      ['no phantom'],
      (draft, random) => {
        const [delivery, place] = pick(draft.deliveries, inOrders, random)
        draft.deliveries.splice(place, 0, { ...delivery, value: 'out of nowhere' })
      },
    ],
    [
      'an event of another channel',
      ['no phantom'],
      (draft, random) => {
        const [delivery, place] = pick(draft.deliveries, each => each.channel === 'order:1', random)
        draft.deliveries.splice(place, 0, { ...delivery, channel: 'order:2' })
      },
    ],
    [
      'an event that was refused and is stored all the same',
      ['no phantom'],
      (draft, random) => {
        const faulty = draft.attempts.filter(({ sentAt }) => sentAt > 4_000 && sentAt < 8_000)
        const [attempt] = pick(faulty, each => inOrders(each) && each.offset !== undefined, random)
        attempt.outcome = 'failed'
        delete attempt.offset
      },
    ],
    [
      'an offset that its writer was not told',
      ['one order'],
      (draft, random) => {
        const [attempt] = pick(draft.attempts, each => inOrders(each) && isOk(each), random)
        attempt.offset = (attempt.offset ?? 0) + 1
      },
    ],
    [
      'an offset at a subscriber that is not the store’s',
      ['one order'],
      (draft, random) => {
        const [delivery] = pick(draft.deliveries, inOrders, random)
        delivery.offset = (delivery.offset ?? 0) + 1
      },
    ],
    [
      'a hole in the store’s numbering',
      ['one order'],
      draft => {
        const last = draft.stored[0]?.values.at(-1) as { offset: number; value: string }
        last.offset++
        for (const each of [...draft.attempts, ...draft.deliveries])
          if (each.value === last.value && each.offset !== undefined) each.offset++
      },
    ],
    [
      'an effect that is there twice',
      ['exactly once in effect'],
      (draft, random) => {
        const [effects] = pick(draft.effects, () => true, random)
        const [value] = pick(Object.keys(effects.times), () => true, random)
        effects.times = { ...effects.times, [value]: 2 }
      },
    ],
    [
      'an effect that is not there',
      ['exactly once in effect'],
      (draft, random) => {
        const [effects] = pick(draft.effects, () => true, random)
        const [value] = pick(Object.keys(effects.times), () => true, random)
        effects.times = Object.fromEntries(Object.entries(effects.times).filter(([each]) => each !== value))
      },
    ],
    [
      'a row of a read model that lacks an event',
      ['read models say what the ledger says'],
      (draft, random) => {
        const [store] = pick(draft.stored, () => true, random)
        const short = draft.stored.map(each =>
          each === store ? { ...each, values: each.values.slice(0, -1) } : each,
        )
        draft.models = modelsOf(short)
      },
    ],
    [
      'a read model that counted an event twice',
      ['read models say what the ledger says'],
      (draft, random) => {
        const [store] = pick(draft.stored, () => true, random)
        const [value] = pick(store.values, () => true, random)
        const twice = draft.stored.map(each =>
          each === store ? { ...each, values: [...each.values, value] } : each,
        )
        const spoken = modelsOf(twice).filter(({ projection }) => projection === 'spoken')
        draft.models = [...draft.models.filter(({ projection }) => projection !== 'spoken'), ...spoken]
      },
    ],
    [
      'a read model in another order than the ledger’s',
      ['read models say what the ledger says'],
      (draft, random) => {
        const [store] = pick(draft.stored, () => true, random)
        const turned = draft.stored.map(each =>
          each === store ? { ...each, values: each.values.toReversed() } : each,
        )
        draft.models = modelsOf(turned)
      },
    ],
    [
      'a read model that is not there',
      ['read models say what the ledger says'],
      draft => {
        draft.models = draft.models.map(each => ({ ...each, rows: {} }))
      },
    ],
    [
      'a command that was decided without knowing of the one before it',
      ['commands as if one by one'],
      (draft, random) => {
        const [store] = pick(draft.stored, inAccount, random)
        const [known, place] = pick(store.values, each => each.decided?.part === 1 && each.offset > 5, random)
        const decided = { part: 1, of: 1, before: 0, ...known.decided }
        store.values = store.values.with(place, {
          ...known,
          decided: { ...decided, before: decided.before - 1 },
        })
      },
    ],
    [
      'a command of which only a part was recorded',
      ['commands as if one by one'],
      (draft, random) => {
        const [store] = pick(draft.stored, inAccount, random)
        // The last that has several parts, and what came after it never came.
        const place = store.values.findLastIndex(
          ({ decided }) => (decided?.of ?? 0) > 1 && decided?.part === 1,
        )
        const gone = new Set(store.values.slice(place + 1).map(({ value }) => value))
        store.values = store.values.slice(0, place + 1)
        draft.deliveries = draft.deliveries.filter(({ value }) => !gone.has(value))
        const torn = store.values.at(-1)?.value
        draft.attempts = draft.attempts.filter(each => !gone.has(each.value) || each.command === torn)
        for (const each of draft.attempts) {
          if (each.command !== torn) continue
          each.outcome = 'unknown'
          delete each.offset
        }
        for (const each of draft.effects)
          each.times = Object.fromEntries(Object.entries(each.times).filter(([value]) => !gone.has(value)))
        draft.models = modelsOf(draft.stored)
        // An answer that is missing where there is no fault would be another finding.
        draft.phases = { ...draft.phases, injectedAt: 2_000 }
      },
    ],
    [
      'something that was appended past the commands',
      ['commands as if one by one'],
      (draft, random) => {
        const [store] = pick(draft.stored, inAccount, random)
        const [known, place] = pick(store.values, each => each.decided?.of === 1 && each.offset > 5, random)
        store.values = store.values.with(place, { value: known.value, offset: known.offset })
      },
    ],
    [
      'an acknowledged command of which nothing is there',
      ['nothing acknowledged is lost'],
      (draft, random) => {
        const [store] = pick(draft.stored, inAccount, random)
        // The last, so that the numbering stays.
        const first = store.values.findLastIndex(({ decided }) => decided?.part === 1)
        const gone = new Set(store.values.slice(first).map(({ value }) => value))
        store.values = store.values.slice(0, first)
        for (const each of draft.effects)
          each.times = Object.fromEntries(Object.entries(each.times).filter(([value]) => !gone.has(value)))
        draft.models = modelsOf(draft.stored)
      },
    ],
    [
      'a subscriber of events who is told of a loss that is none',
      ['no false alarm'],
      draft => draft.told.push({ channel: 'order:1', subscriber: 's0', at: 5_000 }),
    ],
    [
      'a signal that is given twice',
      ['no duplicate'],
      (draft, random) => {
        const [delivery, place] = pick(draft.deliveries, inRoom, random)
        draft.deliveries.splice(place, 0, { ...delivery })
      },
    ],
    [
      'two signals of a writer in another order',
      ['order per publisher'],
      (draft, random) => {
        const first = draft.attempts.find(inRoom)
        const mine = draft.deliveries.filter(
          each => inRoom(each) && each.subscriber === 's0' && each.value.startsWith(`${first?.writer} `),
        )
        const at = Math.floor(random() * (mine.length - 1))
        const [one, other] = [mine[at], mine[at + 1]]
        if (one && other) [one.value, other.value] = [other.value, one.value]
      },
    ],
    [
      'a signal that nobody sent',
      ['no phantom'],
      (draft, random) => {
        const [delivery, place] = pick(draft.deliveries, inRoom, random)
        draft.deliveries.splice(place, 0, { ...delivery, value: 'out of nowhere' })
      },
    ],
    [
      'a signal of the fault’s time that comes when it is over',
      ['nothing late'],
      (draft, random) => {
        const [attempt] = pick(
          draft.attempts,
          each => inRoom(each) && isOk(each) && each.sentAt < 4_000,
          random,
        )
        const late = draft.deliveries.findIndex(
          each => each.value === attempt.value && each.subscriber === 's3',
        )
        const [delivery] = draft.deliveries.splice(late, 1)
        if (delivery) {
          draft.deliveries = draft.deliveries.filter(
            each => !(inRoom(each) && each.subscriber === 's3' && each.value.startsWith(attempt.writer)),
          )
          draft.deliveries.push({ ...delivery, at: attempt.sentAt + 6_000 })
        }
        // So that nothing but the delay is wrong: neither an order nor a local loss nor a long recovery.
        draft.attempts = draft.attempts.filter(
          each => !inRoom(each) || each.writer !== attempt.writer || each === attempt,
        )
        const left = new Set(draft.attempts.map(({ value }) => value))
        draft.deliveries = draft.deliveries.filter(each => left.has(each.value))
      },
    ],
    [
      'a gap in a channel that recovers, of which nobody is told',
      ['no silent gap'],
      (draft, random) => {
        const across = (each: { writer: string; channel: string; sentAt: number; outcome: string }) =>
          each.channel === 'recent:1' && each.writer === 'w1' && each.sentAt > 8_200 && isOk(each)
        const [attempt] = pick(draft.attempts, across, random)
        draft.deliveries = draft.deliveries.filter(
          each => !(each.value === attempt.value && each.subscriber === 's0'),
        )
      },
    ],
    [
      'a signal that does not reach a subscriber of its own node',
      ['local signals arrive'],
      (draft, random) => {
        const [attempt] = pick(
          draft.attempts,
          each => inRoom(each) && isOk(each) && each.writer === 'w0',
          random,
        )
        draft.deliveries = draft.deliveries.filter(
          each => !(each.value === attempt.value && each.subscriber === 's0'),
        )
      },
    ],
    [
      'signals that cross nodes again only long after the fault',
      ['recovery in time'],
      draft => {
        draft.phases = { ...draft.phases, healedAt: 4_500 }
        const late = draft.attempts.find(each => inRoom(each) && each.sentAt > 15_000 && isOk(each))
        for (const each of draft.deliveries) if (each.value === late?.value) each.at += 1_500
        draft.deliveries.sort((a, b) => a.at - b.at)
        draft.attempts = draft.attempts.filter(each => !inRoom(each) || each.sentAt < 15_000 || each === late)
        const left = new Set(draft.attempts.map(({ value }) => value))
        draft.deliveries = draft.deliveries.filter(each => left.has(each.value))
      },
    ],
    [
      'a process that keeps what it took',
      ['memory bounded'],
      draft =>
        draft.memory.push(
          { process: 'node-0', at: 2_000, bytes: 100e6 },
          { process: 'node-0', at: 16_000, bytes: 250e6 },
        ),
    ],
    [
      'a channel in which nothing is accepted though there is no fault',
      ['no trouble without a fault'],
      draft => {
        draft.attempts = draft.attempts.filter(each => !inRoom(each) || each.sentAt > 4_000)
        const left = new Set(draft.attempts.map(({ value }) => value))
        draft.deliveries = draft.deliveries.filter(each => left.has(each.value))
      },
    ],
    [
      'an attempt that fails though there is no fault',
      ['no trouble without a fault'],
      draft => {
        draft.attempts.unshift({
          channel: 'room:1',
          writer: 'w0',
          sequence: 0,
          value: 'refused',
          sentAt: 1_000,
          endedAt: 1_005,
          outcome: 'failed',
        })
      },
    ],
    [
      'an event that the auditor misses',
      ['nothing acknowledged is lost'],
      draft => {
        draft.auditLost = 1
      },
    ],
    ['a process that ended by itself', ['all alive'], draft => draft.deaths.push('node-0 ended (SIGSEGV)')],
  ])('finds %s', (_, invariants, plant) => {
    expect(found(plant)).toEqual(invariants)
  })

  it('finds a node whose own signals stand still, compared with the same run without the fault', () => {
    const stand = (draft: Draft) => {
      for (const each of draft.deliveries)
        if (inRoom(each) && each.at > 5_000 && each.at < 6_500) each.at = 6_500
    }
    expect(found(stand, { baseline: quiet })).toEqual(['no silence'])
    expect(found(stand, { baseline: { ...quiet, silenceMs: 1_300 } })).toEqual([])
    const before = (draft: Draft) => {
      for (const each of draft.deliveries)
        if (inRoom(each) && each.at > 2_000 && each.at < 3_500) each.at = 3_500
    }
    expect(found(before, { baseline: quiet })).toEqual([])
  })

  it('says where a subscriber has holes: at the beginning, between, or at the end', () => {
    const draft = generatedRun(seed)
    const mine = draft.deliveries.filter(each => each.channel === 'order:1' && each.subscriber === 's2')
    const gone = new Set([mine[0], mine[1], mine[9], mine.at(-1)])
    draft.deliveries = draft.deliveries.filter(each => !gone.has(each))
    const { events, violations } = judge(draft)
    expect(events.missing).toEqual({ prefix: 2, middle: 1, postfix: 1 })
    expect(violations[0]?.examples[0]).toMatch(
      /^s2 in order:1: 4 missing \(2 at the beginning, 1 between, 1 at the end\)/,
    )
  })

  it('counts as lost what a system without a store acknowledged and somebody did not get', () => {
    const draft = generatedRun(seed)
    draft.stored = []
    draft.effects = []
    draft.models = []
    const acknowledged = new Set(draft.attempts.filter(isOk).map(({ value }) => value))
    const place = draft.deliveries.findIndex(each => inOrders(each) && acknowledged.has(each.value))
    draft.deliveries.splice(place, 1)
    expect(judge(draft).events).toMatchObject({ lost: 1, stored: 0 })
  })

  it('blames no node that the fault itself stopped, and excuses what was said before', () => {
    const silent = (draft: Draft) => {
      const onNode1 = new Set(['s2', 's3'])
      draft.deliveries = draft.deliveries.filter(
        each => !(inRoom(each) && onNode1.has(each.subscriber) && each.at > 4_000 && each.at < 8_000),
      )
      return draft
    }
    const draft = silent(generatedRun(seed))
    expect(judge(draft, { baseline: quiet }).violations).not.toEqual([])
    expect(judge(draft, { baseline: quiet, fault: { strikes: [1] } }).violations).toEqual([])
    const excuses = { 'local signals arrive': 'because', 'no silence': 'because' }
    const { violations, excused } = judge(draft, { baseline: quiet, fault: { excuses } })
    expect(violations).toEqual([])
    expect(excused.map(({ invariant }) => invariant).sort()).toEqual(['local signals arrive', 'no silence'])
  })
})
