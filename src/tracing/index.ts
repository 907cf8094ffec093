export { type FannedOut, fannedOut } from './fan-out.ts'
export { flushTraces } from './flush.ts'
export { jobTelemetry, jobTrace } from './job-telemetry.ts'
export { spanAttributes, spanNames } from './names.ts'
export {
  activeTrace,
  annotate,
  decided,
  endedBy,
  follow,
  followActive,
  linked,
  type SpanOptions,
  type Traced,
  untraced,
} from './traced.ts'
export { parseTraceparent } from './traceparent.ts'
export { channelAttributes, isListening, type Origin, type Sampling, Tracing } from './tracing.ts'
