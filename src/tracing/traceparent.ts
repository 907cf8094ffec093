import { type SpanContext, TraceFlags } from '@opentelemetry/api'

/** Version 00 of W3C's Trace Context: all that there is. Whatever a later one adds stands behind it, and may be left out. */
const form = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/
const noTrace = '0'.repeat(32)
const noSpan = '0'.repeat(16)

/** Undefined for what is no `traceparent`. */
export function parseTraceparent(text: unknown): SpanContext | undefined {
  const [, traceId, spanId, flags] = (typeof text === 'string' && form.exec(text)) || []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  if (traceId === noTrace || spanId === noSpan) return undefined
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true }
}

export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-0${traceFlags & TraceFlags.SAMPLED}`
}

export function isSampled({ traceFlags }: SpanContext): boolean {
  return (traceFlags & TraceFlags.SAMPLED) !== 0
}
