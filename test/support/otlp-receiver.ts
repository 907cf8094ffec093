import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** A span as a collector gets it. */
export interface ReceivedSpan {
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  readonly attributes: Readonly<Record<string, unknown>>
  readonly failed: boolean
  readonly resource: Readonly<Record<string, unknown>>
}

export interface OtlpReceiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT, with the protocol http/json. */
  readonly url: string
  readonly spans: readonly ReceivedSpan[]
  /** The names of metrics that have come, with those who sent them. */
  readonly metrics: ReadonlyMap<string, ReadonlySet<string>>
  /** Headers of webhooks that were sent here, to any other path. */
  readonly posts: readonly IncomingHttpHeaders[]
  close(): Promise<void>
}

interface KeyValue {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}
interface Resource {
  readonly attributes: readonly KeyValue[]
}
interface Export {
  readonly resourceSpans?: readonly {
    readonly resource: Resource
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[]
  }[]
  readonly resourceMetrics?: readonly {
    readonly resource: Resource
    readonly scopeMetrics: readonly { readonly metrics: readonly { readonly name: string }[] }[]
  }[]
}
type WireSpan = Omit<ReceivedSpan, 'attributes' | 'links' | 'failed' | 'resource'> & {
  readonly attributes?: readonly KeyValue[]
  readonly links?: ReceivedSpan['links']
  readonly status?: { readonly code?: number }
}

/** A collector that keeps what it is sent. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  const metrics = new Map<string, Set<string>>()
  const posts: IncomingHttpHeaders[] = []

  function take({ resourceSpans = [], resourceMetrics = [] }: Export): void {
    for (const { resource, scopeSpans } of resourceSpans)
      for (const span of scopeSpans.flatMap(each => each.spans)) spans.push(spanOf(span, resource))
    for (const { resource, scopeMetrics } of resourceMetrics) {
      const from = String(attributesOf(resource.attributes)['service.instance.id'])
      for (const { name } of scopeMetrics.flatMap(each => each.metrics))
        metrics.set(name, (metrics.get(name) ?? new Set()).add(from))
    }
  }

  const server = createServer(async (request, response) => {
    const body = (await json(request)) as Export
    if (request.url === '/v1/traces' || request.url === '/v1/metrics') take(body)
    else posts.push(request.headers)
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    metrics,
    posts,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function spanOf({ attributes, links, status, ...span }: WireSpan, resource: Resource): ReceivedSpan {
  return {
    ...span,
    parentSpanId: span.parentSpanId || undefined,
    links: links ?? [],
    attributes: attributesOf(attributes ?? []),
    failed: status?.code === 2,
    resource: attributesOf(resource.attributes),
  }
}

function attributesOf(pairs: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map(({ key, value }) => [
      key,
      value['stringValue'] ??
        (value['intValue'] === undefined ? value['boolValue'] : Number(value['intValue'])),
    ]),
  )
}
