import type { MetricName } from './metric-name.ts'

/** The process. */
export const processMetrics = {
  info: {
    name: 'holdfast.info',
    type: 'gauge',
    unit: '1',
    labels: ['version', 'node', 'nodejs'],
    description:
      '1 for this process: the `version` of Holdfast, the `node`’s name, and the version of `nodejs`.',
  },
  uptime: {
    name: 'holdfast.process.uptime',
    type: 'gauge',
    unit: 's',
    labels: [],
    description: 'How long this process has run.',
  },
  clock: {
    name: 'holdfast.process.clock',
    type: 'gauge',
    unit: 's',
    labels: [],
    description: 'Seconds since 1970 by this process’ clock, for comparison with others.',
  },
  cpuTime: {
    name: 'holdfast.process.cpu',
    type: 'counter',
    unit: 's',
    labels: ['mode'],
    description: 'Processor time of this process, by `mode` (`user`, `system`).',
  },
  processMemory: {
    name: 'holdfast.process.memory',
    type: 'gauge',
    unit: 'By',
    labels: ['kind'],
    description: 'Memory of this process, by `kind` (`rss`, `heap_used`, `heap_limit`, `external`).',
  },
  memoryUse: {
    name: 'holdfast.memory.use',
    type: 'gauge',
    unit: '1',
    labels: [],
    description:
      'Share of V8’s heap, or of the container’s memory where that is nearer to its end, that this process uses.',
  },
  gcDuration: {
    name: 'holdfast.process.gc.duration',
    type: 'histogram',
    unit: 's',
    labels: ['kind'],
    description:
      'Pauses of this process for V8’s garbage collection, by `kind` (`minor`, `major`, `incremental`, `weak_callbacks`).',
  },
  eventLoopLag: {
    name: 'holdfast.event_loop.lag.seconds',
    type: 'gauge',
    unit: 's',
    labels: [],
    description:
      'How long what arrives waits for its turn of this process’ event loop, over the last half second.',
  },
  eventLoopUtilization: {
    name: 'holdfast.event_loop.utilization',
    type: 'gauge',
    unit: '1',
    labels: [],
    description:
      'Share of the time in which this process’ event loop had something to do, over the last whole five seconds.',
  },
  shed: {
    name: 'holdfast.shed',
    type: 'counter',
    unit: '{request}',
    labels: ['reason'],
    description:
      'What this process has refused because it has too much to do, by `reason`: `event_loop` (new connections), `memory` (new connections, and reading pasts).',
  },
  shedding: {
    name: 'holdfast.shedding',
    type: 'gauge',
    unit: '1',
    labels: ['reason'],
    description: 'Whether this process refuses new connections now (1) or not (0), by `reason`.',
  },
} as const satisfies Record<string, MetricName>
