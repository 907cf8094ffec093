import {
  type Attributes,
  type Context,
  createContextKey,
  type Link,
  ROOT_CONTEXT,
  SpanKind,
} from '@opentelemetry/api'
import type { Span, Telemetry } from 'bullmq'
import { BullMQOtel } from 'bullmq-otel'
import { spanAttributes } from './names.ts'
import { decided, linkTo } from './traced.ts'

/** Of BullMQ's own attributes, those that hold nothing of an application's. */
const told: ReadonlySet<string> = new Set([
  'bullmq.queue.name',
  'bullmq.queue.operation',
  'bullmq.job.id',
  'bullmq.worker.id',
])

/** In BullMQ's context of a job: how it was enqueued. */
const enqueuedBy = createContextKey('holdfast.enqueued')

/** What goes along with a job, where its delivery is traced. */
export function jobTrace(traceparent: string): { readonly metadata: string } {
  return { metadata: JSON.stringify({ traceparent }) }
}

/**
 * Spans of jobs by bullmq-otel, mended in three ways: only of jobs that are traced; each in a trace of its own, with a link to
 * where it was enqueued, since a queue lies between; and with a root for BullMQ's loops, which would else hang for ever from
 * the job that happened to begin them.
 */
export function jobTelemetry(): Telemetry<Context> {
  const { tracer, contextManager } = new BullMQOtel({ tracerName: 'holdfast' })
  return {
    tracer: {
      startSpan(name, options, context?: Context) {
        const link = context?.getValue(enqueuedBy) as Link | undefined
        if (options?.kind !== SpanKind.CONSUMER || !link) return idle
        const attributes = {
          [spanAttributes.system]: 'holdfast',
          [spanAttributes.operation]: 'process',
          [spanAttributes.operationType]: 'process',
        }
        const root = ROOT_CONTEXT.setValue(decided, true)
        return new JobSpan(tracer.startSpan(name, { ...options, attributes, links: [link] }, root))
      },
    },
    contextManager: {
      with: (context, act) => contextManager.with(context, act),
      active: () => contextManager.active(),
      root: () => ROOT_CONTEXT,
      // Jobs carry what they were given when they were enqueued.
      getMetadata: () => '',
      fromMetadata: (_, metadata) => ROOT_CONTEXT.setValue(enqueuedBy, linkTo(traceparentIn(metadata))),
    },
  }
}

/** A job that is not traced, and whatever else BullMQ does: in nobody's trace. */
const idle: Span<Context> = {
  setSpanOnContext: () => ROOT_CONTEXT,
  setAttribute: () => undefined,
  setAttributes: () => undefined,
  addEvent: () => undefined,
  recordException: () => undefined,
  end: () => undefined,
}

/** Leaves out what the application has said: results, reasons and names of its own. */
class JobSpan implements Span<Context> {
  readonly #span: Span<Context>

  constructor(span: Span<Context>) {
    this.#span = span
  }

  setSpanOnContext(_: Context): Context {
    return this.#span.setSpanOnContext(ROOT_CONTEXT)
  }

  setAttribute(key: string, value: Parameters<Span['setAttribute']>[1]): void {
    if (told.has(key)) this.#span.setAttribute(key, value)
  }

  setAttributes(attributes: Attributes): void {
    for (const [key, value] of Object.entries(attributes)) {
      if (told.has(key) && typeof value === 'string') this.#span.setAttribute(key, value)
    }
  }

  addEvent(): void {}

  recordException(): void {}

  end(): void {
    this.#span.end()
  }
}

function traceparentIn(metadata: string): string {
  try {
    const { traceparent } = JSON.parse(metadata) as { traceparent?: unknown }
    return String(traceparent)
  } catch {
    return ''
  }
}
