import { Buckets } from '../../telemetry/index.ts'

/** How handling an event can end. `failed`: the handler threw or took too long, or what it wrote could not be committed. */
export const handledOutcomes = ['done', 'retry', 'park', 'failed'] as const

/** How the handlers of one group have fared in this process. */
export class GroupMeter {
  readonly outcomes: Record<(typeof handledOutcomes)[number], number> = {
    done: 0,
    retry: 0,
    park: 0,
    failed: 0,
  }
  /** Seconds of a call; a batch is one. */
  readonly duration = new Buckets()

  /** So many events are settled, with what their handlers did. */
  done(events: number): void {
    this.outcomes.done += events
  }

  /** One event is owed again, or parked. */
  failed({ threw, failure }: { threw: boolean; failure: { kind: 'retry' | 'park' } }): void {
    this.outcomes[threw ? 'failed' : failure.kind]++
  }
}
