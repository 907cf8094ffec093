import type { RateCounts, RateName } from './wire-common.ts'

export type Totals = Partial<Record<RateName, number>>

/** What a node has counted since its start, as it is now. */
export interface Counted {
  readonly totals: Totals
  /** Connections by the code they ended with. */
  readonly ended: ReadonlyMap<string, number>
  readonly connections: number
}

/** A minute as one node has counted it. */
export interface Minute {
  /** Its beginning, in milliseconds since 1970. */
  readonly minute: number
  readonly counts: Totals
  readonly ends: Readonly<Record<string, number>>
  readonly connections: number
}

const minuteMs = 60_000
/** Minutes that a node remembers. */
const mostMinutes = 180
/** What rates per second are averaged over. */
const spanMs = 10_000
const lookedBackMinutes = 5

/** Turns counters into rates: per second for what is now, per minute for what was. */
export class RateBook {
  #last: Counted | undefined
  /** Increments with the time they were seen at, not older than the span. */
  #lately: { readonly at: number; readonly forMs: number; readonly counts: Totals }[] = []
  #lastAt = 0
  #minutes: Minute[] = []

  /** Call it every second or two. `now` is the time of day, `at` a clock that never jumps. */
  take(counted: Counted, now = Date.now(), at = performance.now()): void {
    const before = this.#last
    this.#last = { ...counted, ended: new Map(counted.ended) }
    const forMs = at - this.#lastAt
    this.#lastAt = at
    if (!before) return
    const counts = increments(before.totals, counted.totals)
    this.#lately = [...this.#lately.filter(each => at - each.at < spanMs), { at, forMs, counts }]
    const ends = increments(Object.fromEntries(before.ended), Object.fromEntries(counted.ended))
    this.#add(now - (now % minuteMs), counts, ends, counted.connections)
  }

  perSecond(): RateCounts {
    const seconds = this.#lately.reduce((sum, { forMs }) => sum + forMs, 0) / 1_000
    if (seconds === 0) return {}
    const sums = this.#lately.reduce((sum, { counts }) => added(sum, counts), {} as Totals)
    return Object.fromEntries(
      Object.entries(sums).map(([name, count]) => [name, Math.round((count / seconds) * 100) / 100]),
    )
  }

  /** By code, of the last five minutes. */
  disconnects(now = Date.now()): Readonly<Record<string, number>> {
    const since = now - lookedBackMinutes * minuteMs
    const lately = this.#minutes.filter(({ minute }) => minute > since)
    return lately.reduce((sum, { ends }) => added(sum, ends), {} as Record<string, number>)
  }

  /** From a minute on, ascending; the last one is under way. */
  since(minute: number): readonly Minute[] {
    return this.#minutes.filter(each => each.minute >= minute)
  }

  #add(minute: number, counts: Totals, ends: Readonly<Record<string, number>>, connections: number): void {
    const last = this.#minutes.at(-1)
    if (last?.minute === minute) {
      this.#minutes[this.#minutes.length - 1] = {
        ...{ minute, connections },
        counts: added(last.counts, counts),
        ends: added(last.ends, ends),
      }
      return
    }
    this.#minutes.push({ minute, counts, ends, connections })
    if (this.#minutes.length > mostMinutes) this.#minutes.shift()
  }
}

/** Without those that did not move, but for names that are counted at all. */
function increments<Counts extends Partial<Record<string, number>>>(before: Counts, now: Counts): Counts {
  return Object.fromEntries(
    Object.entries(now).map(([name, count]) => [name, Math.max(0, (count ?? 0) - (before[name] ?? 0))]),
  ) as Counts
}

function added<Counts extends Partial<Record<string, number>>>(one: Counts, other: Counts): Counts {
  const sum: Partial<Record<string, number>> = { ...one }
  for (const [name, count] of Object.entries(other)) {
    if (count !== undefined && (count > 0 || sum[name] === undefined)) sum[name] = (sum[name] ?? 0) + count
  }
  return sum as Counts
}
