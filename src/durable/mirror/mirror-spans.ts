import { channelAttributes, follow, spanAttributes, type Traced } from '../../tracing/index.ts'
import type { Entry } from './entry.ts'

/** The spans of entries on their way into the log. */
export class MirrorSpans {
  #open: Traced[] = []

  /** The entry as it goes on: what hears of it through the log hangs from the span. */
  begin(entry: Entry): Entry {
    const { channel, partition, offset, trace } = entry
    const span = follow(trace, 'mirror', {
      kind: 'producer',
      attributes: {
        [spanAttributes.operation]: 'mirror',
        [spanAttributes.operationType]: 'send',
        ...channelAttributes(channel, 'durable'),
        [spanAttributes.partition]: String(partition),
        [spanAttributes.offset]: offset,
      },
    })
    if (!span) return entry
    this.#open.push(span)
    return { ...entry, trace: span.traceparent }
  }

  /** Those that were begun since; whoever takes them ends them. */
  take(): readonly Traced[] {
    if (this.#open.length === 0) return none
    const open = this.#open
    this.#open = []
    return open
  }

  /** What waited was let go of. */
  drop(reason: string): void {
    endAll(this.take(), reason)
  }
}

const none: readonly Traced[] = []

/** Ends spans, with what has gone wrong. */
export function endAll(spans: readonly Traced[], wrong?: unknown): void {
  for (const span of spans) span.end(wrong)
}
