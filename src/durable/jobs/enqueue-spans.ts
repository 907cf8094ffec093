import { follow, jobTrace, spanAttributes, type Traced } from '../../tracing/index.ts'

interface TracedJob {
  readonly trace?: string | undefined
}

/** The spans of jobs on their way into a queue: of those that are traced. */
export class EnqueueSpans {
  readonly #spans = new Map<TracedJob, Traced>()

  constructor(queue: string, jobs: readonly TracedJob[]) {
    for (const job of jobs) {
      const span = follow(job.trace, `enqueue ${queue}`, {
        kind: 'producer',
        attributes: {
          [spanAttributes.operation]: 'enqueue',
          [spanAttributes.operationType]: 'send',
          [spanAttributes.destination]: queue,
        },
      })
      if (span) this.#spans.set(job, span)
    }
  }

  /** What BullMQ keeps with the job, so that whoever works on it can say where it comes from. */
  optionsOf(job: TracedJob): { readonly telemetry?: ReturnType<typeof jobTrace> } {
    const span = this.#spans.get(job)
    return span ? { telemetry: jobTrace(span.traceparent) } : {}
  }

  /** Ends them with the call. */
  async endWith<T>(call: Promise<T>): Promise<T> {
    try {
      const answer = await call
      this.#end()
      return answer
    } catch (error) {
      this.#end(error)
      throw error
    }
  }

  #end(error?: unknown): void {
    for (const span of this.#spans.values()) span.end(error)
  }
}
