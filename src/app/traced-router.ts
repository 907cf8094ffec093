import type { Router } from '../gateway/index.ts'
import type { Config } from '../platform/index.ts'
import { endedBy, Tracing, untraced } from '../tracing/index.ts'

type Operation = 'publish' | 'append' | 'signal' | 'command'

/** Makes a call of the application's with its place in a trace, where it is traced. */
type ApplicationCalls = <T>(
  operation: Operation,
  channel: string,
  act: (trace: string | undefined) => Promise<T>,
) => Promise<T>

export interface OpenTracing {
  readonly tracing: Tracing
  /** The router as the application uses it, also from its schedules and read models. */
  readonly own: Router
  readonly traced: ApplicationCalls
}

/** Decides what of a node's messages is traced. */
export function openTracing({ telemetry }: Pick<Config, 'telemetry'>, router: Router): OpenTracing {
  const tracing = new Tracing(telemetry.sampling)
  const traced = applicationCalls(tracing, router)
  return { tracing, traced, own: tracing.on ? tracedRouter(router, traced) : router }
}

/** A call is a part of the trace in which the calling code runs; where it runs in none, it is sampled like a client's. */
function applicationCalls(tracing: Tracing, router: Pick<Router, 'options'>): ApplicationCalls {
  if (!tracing.on) return (_, __, act) => act(undefined)
  return (operation, channel, act) => {
    const span = tracing.from(operation, channel, router, { from: 'application' })
    // What is begun on the way, and goes on for others, must not hang from this call.
    return endedBy(
      span,
      untraced(() => act(span?.traceparent)),
    )
  }
}

function tracedRouter(router: Router, calls: ApplicationCalls): Router {
  return {
    ...router,
    publish: publication =>
      calls('publish', publication.channel, trace => router.publish({ ...publication, trace })),
    append: event => calls('append', event.channel, trace => router.append({ ...event, trace })),
    signal: signal => calls('signal', signal.channel, trace => router.signal({ ...signal, trace })),
  }
}
