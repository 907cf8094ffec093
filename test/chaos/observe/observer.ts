import { setTimeout as delay } from 'node:timers/promises'
import { asked, panels } from '../../observability/expressions.ts'
import type { Alarm, Prometheus } from '../../support/prometheus.ts'
import { until } from '../../support/until.ts'
import type { Fault, Running, Stage } from '../types.ts'
import type { Expectation } from './expectations.ts'
import { type Move, moveOf } from './moves.ts'

/** What came to be seen of one fault. */
export interface Observation {
  readonly fault: string
  readonly panel: string
  readonly move: Move
  readonly alert: string
  /** Milliseconds from the fault's beginning. */
  readonly firedAfterMs: number
  /** Milliseconds from the fault's end. */
  readonly clearedAfterMs: number
  /** What fired besides. */
  readonly others: readonly string[]
}

export interface ObserveOptions {
  readonly fault: Fault
  readonly expectation: Expectation
  readonly stage: Stage
  readonly running: Running
  readonly prometheus: Prometheus
  readonly random: () => number
  readonly say?: (phase: string) => void
}

/** A fault is ended when its alert has fired, or after so long: some are seen only when they are over. */
const holdAtMostMs = 25_000
const fireWithinMs = 60_000
const moveWithinMs = 10_000
const clearWithinMs = 150_000
const calmWithinMs = 150_000
/** Before the fault: what the panel shows then is how it is. */
const steadySeconds = 6
const rateInterval = '4s'

/** Brings a fault about, and looks whether its panel moves, and its alert fires and clears. @throws Error where one of it does not happen */
export async function observe(options: ObserveOptions): Promise<Observation> {
  const { fault, expectation, stage, running, prometheus, random, say = () => undefined } = options
  const queries = panelNamed(expectation.panel).asks.map(({ expr }) => asked(expr, rateInterval))
  const firing = () => prometheus.alerts().then(alarms => alarms.filter(({ state }) => state === 'firing'))
  const expected = (alarms: readonly Alarm[]) => alarms.some(alarm => matches(alarm, expectation))
  say('waiting for calm')
  let calmSince = Date.now()
  const calm = async () => {
    // One that is about to fire would be taken for the fault's. And a process that a busy machine let answer no scrape in
    // time is one that comes and goes: what a panel shows then is not how it is.
    const [alarms, silent] = await Promise.all([prometheus.alerts(), prometheus.query('up == 0')])
    if (expected(alarms) || silent.length > 0) calmSince = Date.now()
    return Date.now() - calmSince > steadySeconds * 1_000
  }
  await until(`${expectation.alert} is quiet`, calm, calmWithinMs)

  const before = new Set((await firing()).map(({ name }) => name))
  const others = new Set<string>()
  const began = Date.now()
  let fired: number | undefined
  const watch = new AbortController()
  const watching = (async () => {
    while (!watch.signal.aborted) {
      const alarms = await firing()
      for (const { name } of alarms) if (!before.has(name) && name !== expectation.alert) others.add(name)
      if (fired === undefined && expected(alarms)) fired = Date.now()
      await delay(200)
    }
  })()
  watching.catch(() => undefined)
  try {
    say('injecting')
    const heal = await fault.inject(stage, running, random)
    const hasFired = (limitMs: number) => until(`${expectation.alert} fires`, () => fired, limitMs)
    say('waiting for the alert')
    // Not earlier than the fault says: some heal only what has gone on for so long.
    await delay(fault.holdMs ?? 0)
    const look = () => moved(prometheus, queries, began)
    await hasFired(holdAtMostMs)
      .then(() => until('the panel moves', look, moveWithinMs))
      .catch(() => undefined)
    say('healing')
    await heal()
    const healed = Date.now()
    const firedAt = await hasFired(fireWithinMs)
    const move = await until(`${expectation.panel} moves`, look, moveWithinMs)
    say('waiting for the end of the alert')
    await until(`${expectation.alert} is over`, async () => !expected(await firing()), clearWithinMs)
    return {
      fault: fault.name,
      panel: expectation.panel,
      move,
      alert: expectation.alert,
      firedAfterMs: firedAt - began,
      clearedAfterMs: Math.max(0, Date.now() - healed),
      others: [...others].sort(),
    }
  } catch (error) {
    const alarms = [...others].sort().join(', ')
    throw new Error(`${fault.name}: ${(error as Error).message} (fired: ${alarms || 'nothing'})`, {
      cause: error,
    })
  } finally {
    watch.abort()
    await watching
  }
}

export function panelNamed(name: string): (typeof panels)[number] {
  const panel = panels.find(({ where }) => where === name)
  if (!panel) throw new Error(`no dashboard has the panel "${name}"`)
  return panel
}

function matches({ name, labels }: Alarm, { alert, labels: wanted = {} }: Expectation): boolean {
  return name === alert && Object.entries(wanted).every(([label, value]) => labels[label] === value)
}

/** The largest move that any line of the panel made. */
async function moved(
  prometheus: Prometheus,
  queries: readonly string[],
  began: number,
): Promise<Move | undefined> {
  const from = began / 1_000
  let largest: Move | undefined
  for (const query of queries) {
    const [steady, after] = await Promise.all([
      prometheus.range(query, from - steadySeconds, from),
      prometheus.range(query, from, Date.now() / 1_000),
    ])
    const move = moveOf(steady, after)
    if (move && (!largest || move.by > largest.by)) largest = move
  }
  return largest
}
