import type { Health } from '../gateway/index.ts'
import type { BreakerStatus } from '../resilience/index.ts'
import type { Counted } from './rate-book.ts'
import type { AuditView, NodeSheet, ProbeView } from './wire-now.ts'

/** What a node knows of itself, from memory: asked every second or two, and never waited for. */
export interface NodeReadings {
  health(): Health
  counted(): Counted
  channels(): number
  mailbox(): NodeSheet['mailbox']
  /** Seconds. */
  eventLoopLag(): number
  mirrorLag(): NodeSheet['mirrorLag']
  memory(): number
  breakers(): readonly BreakerStatus[]
  probes(): readonly Omit<ProbeView, 'node'>[]
  audit(): AuditView | null
  /** Tells at once how many acknowledged events are missing when more are. */
  onLoss(heard: (lost: number) => void): void
  readOnly(): readonly string[]
}

/** What stays the same for a node's life. */
export type NodeCard = Pick<
  NodeSheet,
  'id' | 'name' | 'version' | 'runtime' | 'role' | 'startedAt' | 'url' | 'config'
>

/** What the node says of itself now. */
export function sheetOf(
  card: NodeCard,
  readings: NodeReadings,
  rates: Pick<NodeSheet, 'perSecond' | 'disconnects'>,
  everySeconds: number,
): NodeSheet {
  const { status, advice, parts } = readings.health()
  return {
    ...card,
    ...rates,
    time: Date.now(),
    everySeconds,
    health: status,
    advice: advice ?? null,
    draining: parts.draining,
    parts: { bus: parts.bus, mirror: parts.mirror, ledger: parts.ledger, epoch: parts.epoch },
    connections: readings.counted().connections,
    channels: readings.channels(),
    mailbox: readings.mailbox(),
    eventLoopLag: readings.eventLoopLag(),
    mirrorLag: readings.mirrorLag(),
    memory: readings.memory(),
    shedding: parts.busy,
    breakers: readings.breakers().map(({ role, state, since, reason, heldBy, counts: { changes } }) => ({
      ...{ role, state, since, reason, heldBy: heldBy ?? null },
      changes: changes.passing + changes.rejecting + changes.probing,
    })),
    probes: readings.probes(),
    audit: readings.audit(),
    readOnly: readings.readOnly(),
  }
}
