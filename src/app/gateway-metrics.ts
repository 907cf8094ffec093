import { handshakeOutcomes, type SocketServer } from '../gateway/index.ts'
import { type Metrics, metrics } from '../telemetry/index.ts'

/** What becomes of connections on this node, and what its limits refuse. */
export function registerGatewayMetrics(telemetry: Metrics, sockets: SocketServer): void {
  const { connections, mailboxSize, mailboxLargest, commandSize } = metrics
  telemetry.gauges([connections, mailboxSize, mailboxLargest, commandSize], async () => {
    const { opening, connected, mailboxBytes, largestMailboxBytes, commandBytes } = sockets.usage()
    return [
      { metric: connections, value: opening, attributes: { state: 'opening' } },
      { metric: connections, value: connected, attributes: { state: 'connected' } },
      { metric: mailboxSize, value: mailboxBytes },
      { metric: mailboxLargest, value: largestMailboxBytes },
      { metric: commandSize, value: commandBytes },
    ]
  })
  const { connects, disconnects, errors, handshakes, limited, slowConsumers } = metrics
  telemetry.counters([connects, disconnects, errors, handshakes, limited, slowConsumers], async () => {
    const { counts } = sockets
    return [
      { metric: connects, value: counts.connects },
      { metric: slowConsumers, value: counts.slowConsumers },
      ...handshakeOutcomes.map(outcome => ({
        metric: handshakes,
        value: counts.handshakes[outcome],
        attributes: { outcome },
      })),
      ...[...counts.errors].map(([code, value]) => ({ metric: errors, value, attributes: { code } })),
      ...[...counts.ended].map(([code, value]) => ({ metric: disconnects, value, attributes: { code } })),
      ...[...counts.limited.entries()].map(([limit, value]) => ({
        metric: limited,
        value,
        attributes: { limit },
      })),
    ]
  })
}
