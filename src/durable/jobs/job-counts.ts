/**
 * How attempts of this process ended. `suppressed`: a job whose delivery somebody else had settled already; `held`: nothing was
 * tried; `requeued`: the reconciler has put into its queue again what Redis had lost, or a person had redriven.
 */
export const jobOutcomes = [
  'done',
  'retried',
  'held',
  'parked',
  'discarded',
  'suppressed',
  'requeued',
] as const
export type JobOutcome = (typeof jobOutcomes)[number]

/** Counters by rule (or schedule of the configuration) and outcome, since the process began. */
export class JobCounts {
  readonly #counts = new Map<string, Map<JobOutcome, number>>()

  count(name: string, outcome: JobOutcome, by = 1): void {
    const counts = this.#counts.get(name) ?? new Map<JobOutcome, number>()
    this.#counts.set(name, counts)
    counts.set(outcome, (counts.get(outcome) ?? 0) + by)
  }

  get(name: string, outcome: JobOutcome): number {
    return this.#counts.get(name)?.get(outcome) ?? 0
  }

  list(): { name: string; outcome: JobOutcome; count: number }[] {
    return [...this.#counts].flatMap(([name, counts]) =>
      [...counts].map(([outcome, count]) => ({ name, outcome, count })),
    )
  }
}
