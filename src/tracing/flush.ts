import { trace } from '@opentelemetry/api'

/** Sends what is still to be sent, for at most so long. A collector that is away keeps nobody. */
export async function flushTraces(withinMs: number): Promise<void> {
  const provider = trace.getTracerProvider() as Flushing & { getDelegate?(): Flushing }
  const flushing = provider.getDelegate?.() ?? provider
  if (!flushing.forceFlush) return
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, withinMs)
  // What could not be sent is lost, as it would have been without a stop.
  await Promise.race([flushing.forceFlush().catch(() => undefined), late.promise])
  clearTimeout(timer)
}

/** What SDKs can besides what the API knows of. */
interface Flushing {
  forceFlush?(): Promise<unknown>
}
