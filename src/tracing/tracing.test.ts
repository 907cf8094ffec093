import { context, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  StackContextManager,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { HoldfastError } from '../domain/index.ts'
import { TraceSampler } from '../telemetry/trace-sampler.ts'
import { jobTelemetry, jobTrace } from './job-telemetry.ts'
import { activeTrace, endedBy, follow, followActive, linked, untraced } from './traced.ts'
import { parseTraceparent } from './traceparent.ts'
import { Tracing } from './tracing.ts'

const tiers = {
  options: (channel: string) => ({ tier: channel.startsWith('r') ? 'realtime' : 'durable' }) as const,
}
const caller = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`
const exporter = new InMemorySpanExporter()

describe('a traceparent', () => {
  it('is read only as W3C writes it', () => {
    expect(parseTraceparent(caller)).toMatchObject({
      traceId: 'ab'.repeat(16),
      spanId: 'cd'.repeat(8),
      traceFlags: 1,
    })
    expect(parseTraceparent(caller.replace(/01$/, '02'))?.traceFlags).toBe(0)
    for (const wrong of [
      undefined,
      1,
      '',
      caller.toUpperCase(),
      `${caller}-x`,
      caller.replace('00-', 'ff-'),
      caller.replace('ab'.repeat(16), '0'.repeat(32)),
      caller.replace('cd'.repeat(8), '0'.repeat(16)),
    ]) {
      expect(parseTraceparent(wrong)).toBeUndefined()
    }
  })
})

describe('without an SDK', () => {
  it('nothing is traced, nor drawn', () => {
    const draw = vi.spyOn(Math, 'random')
    const tracing = new Tracing({ realtime: 1, durable: 1 })
    expect(tracing.on).toBe(false)
    expect(tracing.fromClient('publish', 'r:1', tiers, caller, true)).toBeUndefined()
    expect(tracing.from('publish', 'r:1', tiers, { from: 'api', parent: caller })).toBeUndefined()
    expect(draw).not.toHaveBeenCalled()
    expect(follow(caller, 'mirror')).toBeUndefined()
    expect(linked('process group x', [caller])).toBeUndefined()
    draw.mockRestore()
  })
})

describe('with an SDK', () => {
  beforeAll(() => {
    const sampler = new TraceSampler({ OTEL_TRACES_SAMPLER: 'always_off' })
    const spanProcessors = [new SimpleSpanProcessor({ exporter })]
    trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors, sampler }))
    context.setGlobalContextManager(new StackContextManager().enable())
  })
  afterAll(() => {
    trace.disable()
    context.disable()
  })
  afterEach(() => {
    exporter.reset()
    vi.restoreAllMocks()
  })
  const spans = () => exporter.getFinishedSpans()

  it('a message is traced by the ratio of its tier, which nobody else decides about', () => {
    const tracing = new Tracing({ realtime: 0.01, durable: 0.5 })
    vi.spyOn(Math, 'random').mockReturnValue(0.3)
    expect(tracing.fromClient('publish', 'r:1', tiers, undefined, false)).toBeUndefined()
    expect(tracing.fromClient('append', 'd:1', tiers, undefined, false)).toBeDefined()
    expect(tracing.fromClient('publish', 'r:1', tiers, undefined, true)).toBeDefined()
    // Canaries' too, unless there are to be none at all.
    const durableAlone = new Tracing({ realtime: 0, durable: 0.01 })
    expect(durableAlone.fromClient('publish', 'r:1', tiers, undefined, true)).toBeUndefined()
    durableAlone.fromClient('append', 'd:1', tiers, undefined, true)?.end()
    expect(spans().map(({ attributes }) => attributes['holdfast.from'])).toEqual(['canary'])
    vi.spyOn(Math, 'random').mockReturnValue(0.6)
    expect(tracing.fromClient('append', 'd:1', tiers, undefined, false)).toBeUndefined()
    // An application's own spans go by its sampler.
    expect(trace.getTracer('app').startSpan('own').isRecording()).toBe(false)
  })

  it('what nobody traces makes no span, and never asks for the channel', () => {
    const tracing = new Tracing({ realtime: 0.01, durable: 0.01 })
    vi.spyOn(Math, 'random').mockReturnValue(0.5)
    const options = vi.fn(tiers.options)
    expect(tracing.fromClient('publish', 'r:1', { options }, caller, false)).toBeUndefined()
    expect(options).not.toHaveBeenCalled()
  })

  it('a client’s trace is linked, a trusted caller’s goes on, and both names of users and errors’ texts are kept out', async () => {
    const tracing = new Tracing({ realtime: 1, durable: 1 })
    tracing.fromClient('append', 'd:talk#alice,bob', tiers, caller, false)?.end()
    const called = tracing.from('append', 'd:1', tiers, { from: 'api', parent: caller })
    const failure = new HoldfastError('PAYLOAD_INVALID', 'alice said no')
    await expect(endedBy(called, Promise.reject(failure))).rejects.toBe(failure)
    const [one, two] = spans()
    expect(one).toMatchObject({ name: 'receive append', kind: SpanKind.SERVER, parentSpanContext: undefined })
    expect(one?.links).toMatchObject([{ context: { traceId: 'ab'.repeat(16) } }])
    expect(one?.attributes['messaging.destination.name']).toBe('d:talk#…')
    expect(two?.spanContext().traceId).toBe('ab'.repeat(16))
    expect(two).toMatchObject({ status: { code: 2, message: 'PAYLOAD_INVALID' }, events: [] })
    expect(JSON.stringify(spans().map(({ attributes, status }) => [attributes, status]))).not.toContain(
      'alice',
    )
  })

  it('an untraced caller’s message is not traced', () => {
    const tracing = new Tracing({ realtime: 1, durable: 1 })
    const parent = caller.replace(/01$/, '00')
    expect(tracing.from('append', 'd:1', tiers, { from: 'api', parent })).toBeUndefined()
  })

  it('the application’s code runs in the span, and what goes on for others does not', () => {
    const tracing = new Tracing({ realtime: 1, durable: 1 })
    const received = tracing.fromClient('publish', 'r:1', tiers, undefined, false)
    received?.within(() => {
      expect(activeTrace()).toBe(received.traceparent)
      followActive('projection x')?.end()
      const inner = tracing.from('append', 'd:1', tiers, { from: 'application' })
      inner?.end()
      expect(untraced(() => [activeTrace(), followActive('projection y')])).toEqual([undefined, undefined])
    })
    expect(spans().map(({ name, parentSpanContext }) => [name, parentSpanContext?.spanId])).toEqual([
      ['projection x', received?.traceparent.slice(36, 52)],
      ['receive append', received?.traceparent.slice(36, 52)],
    ])
  })

  it('a job has a trace of its own with a link, says nothing of its content, and leaves no trace behind', () => {
    const { tracer, contextManager } = jobTelemetry()
    expect(contextManager.root?.()).toBe(ROOT_CONTEXT)
    const of = (metadata: string) => contextManager.fromMetadata(ROOT_CONTEXT, metadata)
    const job = tracer.startSpan('process rule-x', { kind: SpanKind.CONSUMER }, of(jobTrace(caller).metadata))
    job.setAttributes({
      'bullmq.job.id': 'x.1',
      'bullmq.job.result': 'secret',
      'bullmq.job.failed.reason': 'secret',
    })
    contextManager.with(job.setSpanOnContext(ROOT_CONTEXT), () => followActive('webhook POST')?.end())
    job.recordException('secret')
    job.end()
    const [post, process] = spans()
    expect(process).toMatchObject({ name: 'process rule-x', parentSpanContext: undefined, events: [] })
    expect(process?.links).toMatchObject([{ context: { traceId: 'ab'.repeat(16) } }])
    expect(post?.parentSpanContext?.spanId).toBe(process?.spanContext().spanId)
    expect(JSON.stringify(process?.attributes)).not.toContain('secret')
    exporter.reset()
    // What BullMQ does around jobs, and jobs that carry nothing that can be read.
    for (const [kind, place] of [
      [SpanKind.INTERNAL, of(jobTrace(caller).metadata)],
      [SpanKind.CONSUMER, of('{')],
      [SpanKind.CONSUMER, undefined],
    ] as const) {
      const idle = tracer.startSpan('process rule-x', { kind }, place)
      expect(
        idle.setSpanOnContext(
          trace.setSpan(ROOT_CONTEXT, trace.wrapSpanContext(parseTraceparent(caller) as never)),
        ),
      ).toBe(ROOT_CONTEXT)
      idle.end()
    }
    expect(spans()).toEqual([])
  })
})
