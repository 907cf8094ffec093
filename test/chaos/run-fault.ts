import { setTimeout as delay } from 'node:timers/promises'
import { seeded } from '../support/seeded.ts'
import { judge, type Measures, type Verdict } from './checker.ts'
import { lastTrouble } from './checks/bounds.ts'
import { Findings } from './checks/findings.ts'
import { History } from './checks/history.ts'
import { checkModels } from './checks/models.ts'
import { silentGaps } from './checks/realtime.ts'
import type { Fault, Phases, Recorded, Running, Stage, System } from './types.ts'
import { Workload, type WorkloadOptions } from './workload.ts'

export interface RunOptions {
  readonly stage: Stage
  readonly system: System
  readonly running: Running
  /** Undefined: the same traffic without a fault. */
  readonly fault?: Fault
  readonly run: string
  readonly seed: number
  /** How long a fault is in force, where it does not say so itself. */
  readonly holdMs: number
  readonly baseline?: Measures
  readonly tamper?: WorkloadOptions['tamper']
  /** How long everybody has to get everything in the end. */
  readonly drainMs?: number
  readonly say?: (phase: string) => void
}

export interface Run {
  readonly verdict: Verdict
  readonly recorded: Recorded
  /** What each process said last. */
  readonly said: Readonly<Record<string, readonly string[]>>
}

/** Steady traffic before the fault. */
const steadyMs = 1_500
/** All is well again when there was no trouble for so long; it is waited for until the bound on recovery has passed. */
const calmMs = 1_500
const mostRecoveryMs = 12_000
/** What was just sent can't be judged yet. */
const freshMs = 700
/** Ends of what is under way when the writers stop; longer than our client's patience with an append. */
const answersWithinMs = 25_000
const usualDrainMs = 20_000
const keptNowhereDrainMs = 3_000

/** Steady traffic → inject → hold → heal → drain → check. */
export async function runFault(options: RunOptions): Promise<Run> {
  const { stage, system, running, fault, run, seed, holdMs, baseline, say = () => undefined } = options
  const random = seeded(seed)
  const deathsBefore = running.deaths.length
  const workload = new Workload({
    system,
    running,
    run,
    random: seeded(seed + 1),
    commandRandom: seeded(seed + 2),
    ...(options.tamper && { tamper: options.tamper }),
  })
  try {
    say('connecting')
    await workload.start()
    const steadyAt = performance.now()
    say('steady')
    await delay(steadyMs)
    // Under the fault: the tables are made, filled from the beginning, and switched to meanwhile.
    await running.rebuild?.()
    const phases = fault
      ? await strike({ ...options, fault, workload, random, steadyAt })
      : await holdStill(holdMs, steadyAt)
    say('draining')
    await workload.stop(answersWithinMs)
    // Where nothing is kept nobody can come late, and what has not come by now never will.
    const keeps = system.parts.includes('postgres')
    if (keeps) await workload.joinLate()
    const { stored, effects, models } = await drain(
      { drainMs: keeps ? usualDrainMs : keptNowhereDrainMs, ...options },
      workload,
    )
    const recorded = workload.recorder.record({
      phases: { ...phases, drainedAt: performance.now() },
      stored,
      effects,
      models,
      deaths: running.deaths.slice(deathsBefore),
      auditLost: (await running.audited?.()) ?? 0,
    })
    const verdict = judge(recorded, { ...(baseline && { baseline }), ...(fault && { fault }) })
    const processes = [...running.nodes, ...running.workers]
    return { verdict, recorded, said: Object.fromEntries(processes.map(each => [each.name, each.said()])) }
  } finally {
    await workload.close()
    await stage.redis.proxy.heal()
    await stage.postgres.proxy.heal()
  }
}

type Unfinished = Omit<Phases, 'drainedAt'>

async function holdStill(holdMs: number, steadyAt: number): Promise<Unfinished> {
  await delay(holdMs + calmMs)
  return { steadyAt, stoppedAt: performance.now() }
}

async function strike(
  options: RunOptions & { fault: Fault; workload: Workload; random: () => number; steadyAt: number },
): Promise<Unfinished> {
  const { stage, running, fault, workload, random, steadyAt, say = () => undefined } = options
  say('injecting')
  const injectedAt = performance.now()
  const heal = await fault.inject(stage, running, random)
  say('holding')
  await delay(fault.holdMs ?? options.holdMs)
  say('healing')
  await heal()
  const healedAt = performance.now()
  say('recovering')
  const phases = { steadyAt, injectedAt, healedAt, stoppedAt: healedAt }
  let calmSince = healedAt
  for (;;) {
    await delay(200)
    const now = performance.now()
    const history = new History(workload.recorder.record({ phases: { ...phases, drainedAt: now } }))
    calmSince = Math.max(calmSince, lastTrouble(history, healedAt, now - freshMs) ?? healedAt)
    if (now - freshMs - calmSince > calmMs || now - healedAt > mostRecoveryMs)
      return { ...phases, stoppedAt: now }
  }
}

type Kept = Pick<Recorded, 'stored' | 'effects' | 'models'>

/** Waits until every subscriber has everything that it should, and every effect is there; or for the deadline. */
async function drain(
  { running, run, drainMs }: RunOptions & { drainMs: number },
  { recorder }: Workload,
): Promise<Kept> {
  const channels = recorder.channels.filter(({ tier }) => tier === 'durable').map(({ name }) => name)
  if (channels.length === 0) return { stored: [], effects: [], models: [] }
  const look = async (): Promise<Kept> => ({
    stored: await running.stored(channels),
    effects: await running.effects(channels),
    models: (await running.models?.(run)) ?? [],
  })
  // As long as something goes on, however slowly, nothing stands still.
  let end = performance.now() + drainMs
  let done = 0
  for (;;) {
    const over = performance.now() > end
    try {
      const kept = await look()
      const before = done
      done = kept.effects.reduce((count, { times }) => count + Object.keys(times).length, 0)
      if (done > before && !over) end = performance.now() + drainMs
      if (over) return kept
      const recorded = recorder.record({ phases: noPhases, ...kept })
      if (everythingIsThere(recorded)) {
        // What should not come has a moment to come.
        await delay(300)
        return await look()
      }
    } catch (error) {
      if (over) throw error
    }
    await delay(150)
  }
}

const noPhases = { steadyAt: 0, stoppedAt: 0, drainedAt: 0 }

function everythingIsThere(recorded: Recorded): boolean {
  const history = new History(recorded)
  const size = recorded.stored.reduce((count, { values }) => count + values.length, 0)
  return (
    recorded.effects.every(({ times }) => Object.keys(times).length >= size) &&
    checkModels(history, new Findings()) === 0 &&
    // Whether the last signal of a channel is missing is found out when its position is looked at.
    silentGaps(history) === 0 &&
    history.of('durable').every(({ channel, deliveries }) => {
      const came = new Set(deliveries.map(({ value }) => value))
      const store = recorded.stored.find(each => each.channel === channel.name)
      const acknowledged = history.attempts(channel).filter(({ outcome }) => outcome === 'ok')
      return (store?.values ?? acknowledged).every(({ value }) => came.has(value))
    })
  )
}
