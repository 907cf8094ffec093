import type { Tier } from '../domain/index.ts'
import { spanAttributes } from './names.ts'
import { follow } from './traced.ts'
import { channelAttributes } from './tracing.ts'

export interface FannedOut {
  readonly channel: string
  readonly tier: Tier
  /** Of the channel, on this node. */
  readonly subscribers: number
  readonly offset?: number | undefined
  /** It is for one of them, or some. */
  readonly addressed?: boolean
}

/**
 * Tells, where a message is traced, that it has been handed to this node's subscribers. The span ends when it is written to
 * their sockets: with the turn of the event loop.
 */
export function fannedOut(trace: string | undefined, what: FannedOut): void {
  if (trace === undefined) return
  const { channel, tier, subscribers, offset, addressed } = what
  const span = follow(trace, 'fan out', {
    kind: 'consumer',
    attributes: {
      [spanAttributes.operation]: 'fan out',
      [spanAttributes.operationType]: 'process',
      ...channelAttributes(channel, tier),
      [spanAttributes.subscribers]: subscribers,
      ...(offset !== undefined && { [spanAttributes.offset]: offset }),
      ...(addressed && { [spanAttributes.addressed]: true }),
    },
  })
  if (span) setImmediate(() => span.end())
}
