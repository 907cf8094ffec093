import type { Commands } from '../commands/index.ts'
import type { Cluster, KeyCounts, PublicationCounts, SocketServer } from '../gateway/index.ts'
import type { Config, ForeignMessages, Logger } from '../platform/index.ts'
import type { RealtimeTier } from '../realtime/index.ts'
import type { Breakers } from '../resilience/index.ts'
import { createMetrics, type Metrics, metrics, otlpReaders } from '../telemetry/index.ts'
import { registerBreakerMetrics } from './breakers.ts'
import { registerBusMetrics } from './bus-metrics.ts'
import { registerCommandMetrics } from './commands.ts'
import type { ConsoleGate } from './console-gate.ts'
import { registerConsoleMetrics } from './console-metrics.ts'
import { registerDeliveryMetrics } from './delivery-metrics.ts'
import { registerDurableMetrics } from './durable-metrics.ts'
import { registerGatewayMetrics } from './gateway-metrics.ts'
import { registerGauges } from './gauges.ts'
import { registerNodeMetrics } from './node-metrics.ts'
import type { OpenDurable } from './open-durable.ts'
import { registerPostgresMetrics } from './postgres-metrics.ts'
import type { Canaries } from './prober.ts'
import { registerProberMetrics } from './prober-metrics.ts'
import { registerProcessMetrics } from './process-metrics.ts'
import { registerRedisMetrics } from './redis-metrics.ts'
import type { Work } from './work.ts'

/** What there is to measure of a node. */
export interface Measured {
  readonly node: { readonly id: string; readonly name: string; readonly version: string }
  readonly config: Pick<Config, 'namespaces' | 'redis' | 'auth' | 'http'>
  readonly keyCounts: KeyCounts
  readonly gate: ConsoleGate
  readonly sockets: SocketServer
  readonly publications: PublicationCounts
  readonly realtime: RealtimeTier
  readonly durable: OpenDurable | undefined
  readonly work: Work | undefined
  readonly commands: Commands | undefined
  readonly breakers: Breakers
  readonly canaries: Canaries
  readonly cluster: Pick<Cluster, 'others'>
  readonly foreign: ForeignMessages
  readonly logger: Logger
}

/** All metrics of a node; undefined where nobody asks for them, neither Prometheus nor a collector. */
export async function openMetrics(measured: Measured): Promise<Metrics | undefined> {
  const { node, config, keyCounts, sockets, durable, work } = measured
  const { commands, breakers, foreign, logger } = measured
  const readers = await otlpReaders(process.env)
  if (!config.http.metrics && !readers) return undefined
  const onError = (error: unknown) => logger.warn({ err: error }, 'some metrics could not be read')
  const telemetry = createMetrics(onError, readers)
  registerGatewayMetrics(telemetry, sockets)
  registerProberMetrics(telemetry, measured.canaries)
  registerDeliveryMetrics(telemetry, { ...measured, durable: durable?.tier, cursors: durable?.cursors })
  registerBreakerMetrics(telemetry, breakers)
  registerBusMetrics(telemetry, { ...measured, log: durable?.tier.log })
  if (work) registerGauges(telemetry, work)
  if (commands) registerCommandMetrics(telemetry, commands)
  if (durable) registerDurableMetrics(telemetry, durable.tier)
  if (durable) registerPostgresMetrics(telemetry, durable, () => work?.groups.pools() ?? [])
  if (config.auth.token.jwksUrl !== undefined) registerKeyMetrics(telemetry, keyCounts)
  registerConsoleMetrics(telemetry, measured.gate, Object.keys(config.namespaces))
  registerNodeMetrics(telemetry, { foreign, load: sockets.loadWatch })
  const closing = [
    registerRedisMetrics(telemetry, { redis: config.redis, node: node.id }),
    registerProcessMetrics(telemetry, { version: node.version, node: node.name }),
  ]
  return {
    ...telemetry,
    async close() {
      for (const close of closing) close()
      await telemetry.close()
    },
  }
}

/** How the keys of tokens are had. */
function registerKeyMetrics(telemetry: Metrics, counts: KeyCounts): void {
  const { jwksAge, jwksFetches } = metrics
  telemetry.gauges([jwksAge], async () => {
    const { age } = counts
    return age === undefined ? [] : [{ metric: jwksAge, value: age }]
  })
  telemetry.counters([jwksFetches], async () =>
    Object.entries(counts.fetches).map(([outcome, value]) => ({
      metric: jwksFetches,
      value,
      attributes: { outcome },
    })),
  )
}
