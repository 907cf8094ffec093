import type { Commands } from '../commands/index.ts'
import type { PublicationCounts, SocketServer } from '../gateway/index.ts'
import type { ForeignMessages, Logger } from '../platform/index.ts'
import type { RealtimeTier } from '../realtime/index.ts'
import type { Breakers } from '../resilience/index.ts'
import { createMetrics, type Metrics } from '../telemetry/index.ts'
import { registerBreakerMetrics } from './breakers.ts'
import { registerBusMetrics } from './bus-metrics.ts'
import { registerCommandMetrics } from './commands.ts'
import { registerDeliveryMetrics } from './delivery-metrics.ts'
import { registerDurableMetrics } from './durable-metrics.ts'
import { registerGatewayMetrics } from './gateway-metrics.ts'
import { registerGauges } from './gauges.ts'
import { registerNodeMetrics } from './node-metrics.ts'
import type { OpenDurable } from './open-durable.ts'
import type { Work } from './work.ts'

/** What there is to measure of a node. */
export interface Measured {
  readonly sockets: SocketServer
  readonly publications: PublicationCounts
  readonly realtime: RealtimeTier
  readonly durable: OpenDurable | undefined
  readonly work: Work | undefined
  readonly commands: Commands | undefined
  readonly breakers: Breakers
  readonly foreign: ForeignMessages
  readonly logger: Logger
}

/** All metrics of a node. */
export function openMetrics(measured: Measured): Metrics {
  const { sockets, realtime, durable, work, commands, breakers, foreign, logger } = measured
  const telemetry = createMetrics(error => logger.warn({ err: error }, 'some metrics could not be read'))
  registerGatewayMetrics(telemetry, sockets)
  registerDeliveryMetrics(telemetry, { ...measured, durable: durable?.tier })
  registerBreakerMetrics(telemetry, breakers)
  registerBusMetrics(telemetry, { realtime, log: durable?.tier.log })
  if (work) registerGauges(telemetry, work)
  if (commands) registerCommandMetrics(telemetry, commands)
  if (durable) registerDurableMetrics(telemetry, durable.tier)
  registerNodeMetrics(telemetry, { foreign, load: sockets.loadWatch })
  return telemetry
}
