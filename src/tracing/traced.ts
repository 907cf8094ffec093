import {
  type Attributes,
  type Context,
  context,
  createContextKey,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { spanAttributes } from './names.ts'
import { formatTraceparent, isSampled, parseTraceparent } from './traceparent.ts'

/** In the context of a span that Holdfast has decided to make: nobody is to decide again. */
export const decided = createContextKey('holdfast.decided')

export interface SpanOptions {
  readonly kind?: 'server' | 'client' | 'producer' | 'consumer'
  readonly attributes?: Attributes
  /** What it hangs together with, across a queue. */
  readonly links?: readonly string[]
}

/** A span of a message that is traced. There is none for all others, so nothing is paid for them. */
export interface Traced {
  /** Its place in the trace, as W3C writes it: what goes along with the message. */
  readonly traceparent: string
  set(attributes: Attributes): void
  /** Once; with an error where it has failed. */
  end(error?: unknown): void
  /** Runs the application's code in it, so that its own spans hang from it. */
  within<T>(act: () => T): T
}

/** More of them say nothing more; an SDK would drop those above 128. */
const maxLinks = 64

const kinds = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const

/** A child of a traced message's last span; undefined where the message is not traced. */
export function follow(
  parent: string | undefined,
  name: string,
  options: SpanOptions = {},
): Traced | undefined {
  const from = parent === undefined ? undefined : parseTraceparent(parent)
  return from && start(trace.setSpanContext(ROOT_CONTEXT, from), name, options)
}

/** A child of the span in which the calling code runs; undefined where there is none that is sampled. */
export function followActive(name: string, options: SpanOptions = {}): Traced | undefined {
  const active = trace.getSpanContext(context.active())
  return active && isSampled(active) ? start(context.active(), name, options) : undefined
}

/** A trace of its own with links to others, at least one of which has to be traced. */
export function linked(
  name: string,
  to: readonly (string | undefined)[],
  options: SpanOptions = {},
): Traced | undefined {
  const links = to.filter(each => each !== undefined)
  return links.length === 0 ? undefined : start(ROOT_CONTEXT, name, { ...options, links })
}

/** A span that has been decided on. Undefined where no SDK records it. */
export function start(
  parent: Context,
  name: string,
  { kind, attributes, links }: SpanOptions,
): Traced | undefined {
  const options = {
    kind: kind === undefined ? SpanKind.INTERNAL : kinds[kind],
    attributes: { [spanAttributes.system]: 'holdfast', ...attributes },
    links: links ? links.slice(0, maxLinks).flatMap(each => linkTo(each) ?? []) : [],
  }
  const span = trace.getTracer('holdfast').startSpan(name, options, parent.setValue(decided, true))
  return span.isRecording() ? new OpenSpan(span) : undefined
}

/** The place of the span in which the calling code runs, for what goes on elsewhere; undefined where none is sampled. */
export function activeTrace(): string | undefined {
  const active = trace.getSpanContext(context.active())
  return active && isSampled(active) ? formatTraceparent(active) : undefined
}

/** Says more of the span in which the calling code runs, if there is one. */
export function annotate(attributes: Attributes): void {
  trace.getActiveSpan()?.setAttributes(attributes)
}

/** Work without the caller's span: what goes on for others, too, is no part of it. */
export function untraced<T>(act: () => T): T {
  return context.active() === ROOT_CONTEXT ? act() : context.with(ROOT_CONTEXT, act)
}

/** Ends the span with the work, however that ends. */
export function endedBy<T>(traced: Traced | undefined, work: Promise<T>): Promise<T> {
  if (!traced) return work
  return work.then(
    value => {
      traced.end()
      return value
    },
    (error: unknown) => {
      traced.end(error)
      throw error
    },
  )
}

class OpenSpan implements Traced {
  readonly traceparent: string
  readonly #span: Span

  constructor(span: Span) {
    this.#span = span
    this.traceparent = formatTraceparent(span.spanContext())
  }

  set(attributes: Attributes): void {
    this.#span.setAttributes(attributes)
  }

  end(error?: unknown): void {
    if (error !== undefined) {
      // Never its message: that may hold what the client has sent.
      const type = errorType(error)
      this.#span.setAttribute(spanAttributes.errorType, type)
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message: type })
    }
    this.#span.end()
  }

  within<T>(act: () => T): T {
    return context.with(trace.setSpan(context.active(), this.#span), act)
  }
}

/** Undefined for what is no `traceparent`. */
export function linkTo(traceparent: string): Link | undefined {
  const to = parseTraceparent(traceparent)
  return to && { context: to }
}

/** A code of ours, or the name of a class: a closed set. */
function errorType(error: unknown): string {
  if (typeof error === 'string') return error
  if (!(error instanceof Error)) return '_OTHER'
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : error.name
}
