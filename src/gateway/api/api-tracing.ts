import { endedBy, type Tracing, untraced } from '../../tracing/index.ts'
import type { Router } from '../types.ts'
import type { ApiRequest } from './request.ts'

export interface ApiTracing {
  readonly tracing: Tracing
  /** Whoever holds the API key is believed that a message is traced; where there is no key, nobody is. */
  readonly trusted: boolean
}

/** Of a broadcast's channels, so many are followed: more would be a trace that nobody can read. */
export const followedChannels = 16

/** Does what a call asks of a channel, in a span where it is traced. */
export function tracedCall<T>(
  { tracing: parts, router }: { readonly tracing?: ApiTracing | undefined; readonly router: Router },
  { traceparent }: ApiRequest,
  operation: 'publish' | 'broadcast' | 'append' | 'command',
  channel: string,
  act: (trace: string | undefined) => Promise<T>,
): Promise<T> {
  if (!parts?.tracing.on) return act(undefined)
  const origin = parts.trusted ? { parent: traceparent } : { link: traceparent }
  const span = parts.tracing.from(operation, channel, router, { from: 'api', ...origin })
  return endedBy(
    span,
    untraced(() => act(span?.traceparent)),
  )
}
