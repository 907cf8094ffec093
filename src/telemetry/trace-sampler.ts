import type { Attributes, Context, Link, SpanKind } from '@opentelemetry/api'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
  type SamplingResult,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace'
import { decided } from '../tracing/index.ts'

/** Records what Holdfast has decided to trace; for an application's own spans OTEL_TRACES_SAMPLER counts. */
export class TraceSampler implements Sampler {
  readonly #others: Sampler

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#others = samplerNamed(env['OTEL_TRACES_SAMPLER'], Number(env['OTEL_TRACES_SAMPLER_ARG'] || 1))
  }

  shouldSample(
    context: Context,
    traceId: string,
    name: string,
    kind: SpanKind,
    attributes: Attributes,
    links: Link[],
  ): SamplingResult {
    if (context.getValue(decided)) return { decision: SamplingDecision.RECORD_AND_SAMPLED }
    return this.#others.shouldSample(context, traceId, name, kind, attributes, links)
  }

  toString(): string {
    return `Holdfast{${this.#others.toString()}}`
  }
}

function samplerNamed(name: string | undefined, ratio: number): Sampler {
  switch (name) {
    case 'always_on':
      return new AlwaysOnSampler()
    case 'always_off':
      return new AlwaysOffSampler()
    case 'traceidratio':
      return new TraceIdRatioBasedSampler(ratio)
    case 'parentbased_always_off':
      return new ParentBasedSampler({ root: new AlwaysOffSampler() })
    case 'parentbased_traceidratio':
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) })
    default:
      return new ParentBasedSampler({ root: new AlwaysOnSampler() })
  }
}
