import type { EventStory } from '../durable/index.ts'
import { createOperations } from '../durable/index.ts'
import type { Router, TopicAnswers } from '../gateway/index.ts'
import type { Sql } from '../platform/index.ts'
import type { ProjectionReport } from '../projections/index.ts'
import { EventTales, type Mirrored } from './event-tales.ts'
import { furthestFirst, nodeLags, storedLags } from './lags.ts'
import type { NodeConsole } from './node-console.ts'
import { overviewOf } from './overview.ts'
import type { PostgresSource } from './postgres-source.ts'
import { RateSeriesReader } from './rate-series.ts'
import { partOf, SharedPart } from './shared-part.ts'
import { type ActsQuery, latestLosses, type MarksQuery, readActs, readMarks } from './store.ts'
import type { TopSurvey } from './top.ts'
import type { Mark, Part } from './wire-common.ts'
import type { Lags, Overview, Top } from './wire-now.ts'
import type { Acts, EventAnswer, Marks, Rates } from './wire-past.ts'

export interface QuestionParts {
  readonly console: NodeConsole
  readonly postgres: PostgresSource
  readonly top: TopSurvey
  readonly router: Pick<Router, 'history'>
  readonly mirrored: Mirrored
  /** Asks every node about a topic. */
  readonly ask: (topic: string, body: unknown) => Promise<TopicAnswers>
  readonly subscribers: (channel: string) => Promise<number>
  readonly projections: (sql: Sql) => Promise<readonly ProjectionReport[]>
  readonly actedAt: () => number
}

/** Heavy on Postgres, and good for so long. */
const lagsSharedMs = 3_000
const marksSharedMs = 2_000
const overviewMarks = 50
const ratesSharedMs = 2_000
/** Spans of time whose rates are shared. */
const mostSpans = 20
/** What is found while this node lives it hears of at once. */
const lossesSharedMs = 10_000

/** What an on-call night asks about the present and the past. No answer waits longer than a page would. */
export class Questions {
  readonly #parts: QuestionParts
  readonly #lags: SharedPart<Lags['lags']['value']>
  readonly #marks: SharedPart<readonly Mark[]>
  readonly #losses: SharedPart<readonly Mark[]>
  readonly #series: RateSeriesReader
  readonly #tales: EventTales
  readonly #rates = new Map<number, { readonly at: number; readonly answer: Promise<Rates> }>()

  constructor(parts: QuestionParts) {
    this.#parts = parts
    const { postgres, projections, actedAt } = parts
    this.#lags = new SharedPart(() => postgres.ask(sql => storedLags(sql, projections)), {
      sharedMs: lagsSharedMs,
      changedAt: actedAt,
    })
    this.#marks = new SharedPart(() => postgres.ask(sql => readMarks(sql, { limit: overviewMarks })), {
      sharedMs: marksSharedMs,
    })
    this.#losses = new SharedPart(() => postgres.ask(latestLosses), { sharedMs: lossesSharedMs })
    this.#series = new RateSeriesReader(parts)
    this.#tales = new EventTales(parts)
  }

  /** From memory: what Postgres knows comes with the next question. */
  overview(): Overview {
    const { console: node } = this.#parts
    node.watch()
    this.#marks.get().catch(() => undefined)
    this.#losses.get().catch(() => undefined)
    const marks = this.#withRecent(this.#marks.last, overviewMarks)
    const heard = node.marks.recent.filter(({ kind }) => kind === 'audit')
    const { value: stored } = this.#losses.last
    const losses = stored === null && heard.length === 0 ? null : [...(stored ?? []), ...heard]
    return overviewOf(node.views(), node.sources(), marks, losses)
  }

  async lags(): Promise<Lags> {
    const { console: node } = this.#parts
    const lags = await this.#lags.get()
    return {
      time: Date.now(),
      sources: node.sources(),
      lags: { ...lags, value: lags.value && furthestFirst(lags.value) },
      nodes: {
        value: furthestFirst(nodeLags(node.views())),
        source: 'node',
        at: Date.now(),
        problem: null,
      },
    }
  }

  async top(seconds: number): Promise<Top> {
    const top = await this.#parts.top.ask(seconds)
    const names = new Map(this.#parts.console.views().map(({ sheet }) => [sheet.id, sheet.name]))
    return { ...top, silent: top.silent.map(id => names.get(id) ?? id) }
  }

  rates(minutes: number): Promise<Rates> {
    const known = this.#rates.get(minutes)
    if (known && performance.now() - known.at < ratesSharedMs) return known.answer
    const answer = this.#series.read(minutes)
    // The youngest stand last: what is asked anew moves there.
    this.#rates.delete(minutes)
    this.#rates.set(minutes, { at: performance.now(), answer })
    const [oldest] = this.#rates.keys()
    if (this.#rates.size > mostSpans && oldest !== undefined) this.#rates.delete(oldest)
    return answer
  }

  async marks(query: MarksQuery): Promise<Marks> {
    const { console: node, postgres } = this.#parts
    const stored = await partOf('postgres', () => postgres.ask(sql => readMarks(sql, query)))
    const { before = Number.POSITIVE_INFINITY, kind, limit } = query
    const remembered = node.marks.recent.filter(
      each => each.time < before && (kind === undefined || each.kind === kind),
    )
    const marks = merged(stored, remembered, limit)
    const last = marks.value?.at(-1)
    const full = (marks.value?.length ?? 0) >= limit
    return { time: Date.now(), sources: node.sources(), marks, next: full && last ? last.time : null }
  }

  async acts(query: ActsQuery): Promise<Acts> {
    const { console: node, postgres } = this.#parts
    const acts = await partOf('postgres', () => postgres.ask(sql => readActs(sql, query)))
    const next = acts.value?.length === query.limit ? (acts.value.at(-1)?.id ?? null) : null
    // Those that wait for Postgres have no number yet; they are the newest.
    const waiting =
      query.before === undefined ? node.unwrittenActs.map((act, i) => ({ id: -1 - i, ...act })) : []
    return {
      time: Date.now(),
      acts: { ...acts, value: acts.value ? [...waiting, ...acts.value] : waiting },
      next,
    }
  }

  event(place: { id: string } | { channel: string; offset: number }): Promise<EventAnswer> {
    return this.#tales.tell(
      place,
      (sql): Promise<readonly EventStory[]> => createOperations(sql).deliveries.ofEvent(place),
    )
  }

  #withRecent(stored: Part<readonly Mark[]>, limit: number): Part<readonly Mark[]> {
    return merged(stored, this.#parts.console.marks.recent, limit)
  }
}

/** What Postgres knows and what the nodes remember, as one: the newest first, each once. */
function merged(
  stored: Part<readonly Mark[]>,
  recent: readonly Mark[],
  limit: number,
): Part<readonly Mark[]> {
  const known = new Set(stored.value?.map(({ id }) => id))
  const value = [...(stored.value ?? []), ...recent.filter(({ id }) => !known.has(id))]
    .sort((a, b) => b.time - a.time)
    .slice(0, limit)
  return { ...stored, value, source: stored.value ? stored.source : 'node' }
}
