import { channelAttributes, follow, spanAttributes, type Traced } from '../../tracing/index.ts'
import type { Entry } from './entry.ts'
import type { Outcome } from './ledger.ts'

/** The way of an event, or of those of a command, from the appender's queue to its commit, where it is traced. */
export function commitSpan({ trace, channel, partition, id }: Entry, events = 1): Traced | undefined {
  if (trace === undefined) return undefined
  return follow(trace, 'ledger commit', {
    kind: 'client',
    attributes: {
      [spanAttributes.operation]: 'append',
      [spanAttributes.operationType]: 'create',
      ...channelAttributes(channel, 'durable'),
      [spanAttributes.partition]: String(partition),
      [spanAttributes.message]: id,
      ...(events > 1 && { [spanAttributes.batchSize]: events }),
    },
  })
}

/** Ends it with what became of the event, and hands that on. */
export function committed<T extends Pick<Outcome, 'kind'>>(span: Traced, work: Promise<T>): Promise<T> {
  return work.then(
    outcome => {
      const { kind } = outcome
      span.set({ [spanAttributes.outcome]: kind })
      span.end(kind === 'stored' || kind === 'duplicate' ? undefined : kind)
      return outcome
    },
    (error: unknown) => {
      span.end(error)
      throw error
    },
  )
}
