import { z } from 'zod'
import type { TopicAnswers } from '../gateway/index.ts'
import { readEnds, readSteps, type Step } from './minutes-store.ts'
import type { NodeConsole } from './node-console.ts'
import type { PostgresSource } from './postgres-source.ts'
import type { Minute } from './rate-book.ts'
import { partOf } from './shared-part.ts'
import type { Part, RateName } from './wire-common.ts'
import type { RateSeries, Rates } from './wire-past.ts'

const minuteMs = 60_000
const weekMs = 7 * 86_400_000
/** Steps of one answer, about. */
const mostSteps = 240

/** Consoles tell each other their last minutes while Postgres is away. */
export const minutesTopic = 'console.minutes'
const told = z
  .array(
    z.object({
      minute: z.number(),
      counts: z.record(z.string(), z.number()),
      ends: z.record(z.string(), z.number()),
      connections: z.number(),
    }),
  )
  .max(200)

export interface RateSeriesParts {
  readonly console: NodeConsole
  readonly postgres: PostgresSource
  readonly ask: (topic: string, body: unknown) => Promise<TopicAnswers>
}

interface Range {
  readonly from: number
  readonly to: number
  readonly stepMs: number
}

/** Rates of all nodes, now and a week before. */
export class RateSeriesReader {
  readonly #parts: RateSeriesParts

  constructor(parts: RateSeriesParts) {
    this.#parts = parts
  }

  async read(minutes: number, now = Date.now()): Promise<Rates> {
    const { console: node, postgres } = this.#parts
    const stepMs = Math.max(1, Math.ceil(minutes / mostSteps)) * minuteMs
    const to = now - (now % minuteMs) + minuteMs
    const from = to - Math.ceil((minutes * minuteMs) / stepMs) * stepMs
    const range = { from, to, stepMs }
    const before = { from: from - weekMs, to: to - weekMs, stepMs }
    const [stored, lastWeek, ends, endsLastWeek] = await Promise.all([
      partOf('postgres', () => postgres.ask(sql => readSteps(sql, range))),
      partOf('postgres', () => postgres.ask(sql => readSteps(sql, before))),
      partOf('postgres', () => postgres.ask(sql => readEnds(sql, range))),
      partOf('postgres', () => postgres.ask(sql => readEnds(sql, before))),
    ])
    const remembered = stored.value === null ? await this.#remembered(range) : undefined
    const problem = stored.problem
    const steps: Part<readonly Step[]> = remembered
      ? { value: stepsOf(remembered, range), source: 'bus', at: now, problem }
      : stored
    const at = Array.from({ length: (to - from) / stepMs }, (_, i) => from + i * stepMs)
    return {
      time: now,
      sources: node.sources(),
      stepSeconds: stepMs / 1_000,
      at,
      now: seriesOf(steps, at, stepMs, now),
      lastWeek: seriesOf(
        lastWeek,
        at.map(each => each - weekMs),
        stepMs,
        now,
      ),
      disconnects: remembered ? { value: endsOf(remembered), source: 'bus', at: now, problem } : ends,
      disconnectsLastWeek: endsLastWeek,
      connections: connectionsOf(steps, at),
      connectionsLastWeek: connectionsOf(
        lastWeek,
        at.map(each => each - weekMs),
      ),
    }
  }

  /** What the nodes that can be heard have in memory. */
  async #remembered({ from }: Range): Promise<readonly Minute[]> {
    const { answers } = await this.#parts.ask(minutesTopic, { from })
    return [...answers.values()].flatMap(each => {
      const parsed = told.safeParse(each)
      return parsed.success ? parsed.data : []
    })
  }
}

function stepsOf(minutes: readonly Minute[], { from, stepMs }: Range): readonly Step[] {
  const byStep = new Map<
    number,
    { counts: Partial<Record<string, number>>; connections: Map<number, number> }
  >()
  for (const { minute, counts, connections } of minutes) {
    if (minute < from) continue
    const at = minute - ((minute - from) % stepMs)
    const step = byStep.get(at) ?? { counts: {}, connections: new Map<number, number>() }
    byStep.set(at, step)
    for (const [name, count] of Object.entries(counts))
      step.counts[name] = (step.counts[name] ?? 0) + (count ?? 0)
    step.connections.set(minute, (step.connections.get(minute) ?? 0) + connections)
  }
  return [...byStep].map(([at, { counts, connections }]) => ({
    at,
    counts: counts as Step['counts'],
    connections: Math.round(
      [...connections.values()].reduce((sum, each) => sum + each, 0) / connections.size,
    ),
  }))
}

function endsOf(minutes: readonly Minute[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const { ends } of minutes)
    for (const [code, count] of Object.entries(ends)) if (count > 0) sums[code] = (sums[code] ?? 0) + count
  return sums
}

/** Per second. Of the step that is under way, only what has passed of it counts. */
function seriesOf(
  steps: Part<readonly Step[]>,
  at: readonly number[],
  stepMs: number,
  now: number,
): Part<RateSeries> {
  if (!steps.value) return { ...steps, value: null }
  const byTime = new Map(steps.value.map(step => [step.at, step]))
  const names = new Set(
    steps.value.flatMap(({ counts }) =>
      (Object.keys(counts) as RateName[]).filter(name => typeof counts[name] === 'number'),
    ),
  )
  const series: Partial<Record<RateName, readonly (number | null)[]>> = {}
  for (const name of names) {
    series[name] = at.map(each => {
      const count = byTime.get(each)?.counts[name]
      if (count === undefined || count === null) return null
      const seconds = Math.max(1, Math.min(stepMs, now - each) / 1_000)
      return Math.round((count / seconds) * 1_000) / 1_000
    })
  }
  return { ...steps, value: series }
}

function connectionsOf(
  steps: Part<readonly Step[]>,
  at: readonly number[],
): Part<readonly (number | null)[]> {
  if (!steps.value) return { ...steps, value: null }
  const byTime = new Map(steps.value.map(step => [step.at, step.connections]))
  return { ...steps, value: at.map(each => byTime.get(each) ?? null) }
}
