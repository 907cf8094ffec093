import type { Tier } from '../domain/index.ts'
import { Buckets } from '../telemetry/index.ts'
import type { ProbeFailure, ProbeOutcome, ProbePath, ProbeSummary } from './types.ts'

const minuteMs = 60_000
/** Of one path. With the shortest interval a minute has more; then the summary is of the latest ones. */
const mostRecent = 2_000

/** What a probe is about. */
export interface Subject {
  /** Undefined of `connect`. */
  readonly tier: Tier | undefined
  readonly path: ProbePath
}

interface Recent {
  /** By the steady clock. */
  readonly at: number
  readonly outcome: ProbeOutcome
  readonly reason: ProbeFailure | undefined
}

interface Line {
  readonly subject: Subject
  readonly outcomes: Record<ProbeOutcome, number>
  readonly failures: Map<ProbeFailure, number>
  recent: Recent[]
  readonly latency: Buckets
  latencyMs: number | undefined
  succeededAt: number | undefined
}

/** How probes have ended, since the process began and within the last minute. */
export class Tallies {
  readonly #lines = new Map<string, Line>()
  readonly #resting = new Set<Tier>()
  #begunAt: number | undefined

  /** What is going to be probed stands there with zeros from the beginning: a rate begins at its first value. */
  constructor(tiers: readonly Tier[]) {
    this.#line({ tier: undefined, path: 'connect' })
    for (const tier of tiers)
      for (const path of ['accept', 'local', 'other'] as const) this.#line({ tier, path })
  }

  succeeded(subject: Subject, ms: number): void {
    const line = this.#line(subject)
    line.latencyMs = ms
    line.succeededAt = Date.now()
    this.#note(line, 'succeeded')
    line.latency.record(ms / 1_000)
  }

  degraded(subject: Subject): void {
    this.#note(this.#line(subject), 'degraded')
  }

  failed(subject: Subject, reason: ProbeFailure): void {
    const line = this.#line(subject)
    line.failures.set(reason, (line.failures.get(reason) ?? 0) + 1)
    this.#note(line, 'failed', reason)
  }

  /** From here on canaries have to succeed. */
  begin(): void {
    this.#begunAt = Date.now()
  }

  /** Nothing of this tier is tried for now. */
  rest(tier: Tier, rests: boolean): void {
    if (rests) this.#resting.add(tier)
    else this.#resting.delete(tier)
  }

  /**
   * Seconds since one has succeeded, or since all began where none has; undefined where there are no canaries, or they rest, and
   * of the way to other nodes, of which there may be none, before the first.
   */
  age({ subject, succeededAt }: Pick<Line, 'subject' | 'succeededAt'>): number | undefined {
    if (subject.tier !== undefined && this.#resting.has(subject.tier)) return undefined
    const since = succeededAt ?? (subject.path === 'other' ? undefined : this.#begunAt)
    return since === undefined ? undefined : (Date.now() - since) / 1_000
  }

  /** Since the process began. */
  *totals(): Iterable<Omit<Line, 'recent' | 'latencyMs'>> {
    yield* this.#lines.values()
  }

  get failures(): number {
    return [...this.#lines.values()].reduce((sum, { outcomes }) => sum + outcomes.failed, 0)
  }

  summaries(): ProbeSummary[] {
    const oldest = performance.now() - minuteMs
    return [...this.#lines.values()].map(line => {
      line.recent = line.recent.filter(({ at }) => at >= oldest)
      const of = (wanted: ProbeOutcome) => line.recent.filter(({ outcome }) => outcome === wanted)
      const failed = of('failed')
      return {
        ...line.subject,
        succeeded: of('succeeded').length,
        degraded: of('degraded').length,
        failed: failed.length,
        latencyMs: line.latencyMs,
        succeededAt: line.succeededAt,
        reason: failed.at(-1)?.reason,
      }
    })
  }

  #line(subject: Subject): Line {
    const key = `${subject.tier} ${subject.path}`
    let line = this.#lines.get(key)
    if (!line) {
      line = {
        subject,
        outcomes: { succeeded: 0, degraded: 0, failed: 0 },
        failures: new Map(),
        recent: [],
        latency: new Buckets(),
        latencyMs: undefined,
        succeededAt: undefined,
      }
      this.#lines.set(key, line)
    }
    return line
  }

  #note(line: Line, outcome: ProbeOutcome, reason?: ProbeFailure): void {
    line.outcomes[outcome]++
    line.recent.push({ at: performance.now(), outcome, reason })
    if (line.recent.length > mostRecent) line.recent.splice(0, mostRecent / 2)
  }
}
