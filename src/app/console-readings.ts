import type { Counted, NodeReadings } from '../console/index.ts'
import type { Health, PublicationCounts, Router, SocketServer } from '../gateway/index.ts'
import { Lane, losses } from '../hub/index.ts'
import type { AuditTally, ProberStatus, ProbeSummary } from '../prober/index.ts'
import type { Breakers } from '../resilience/index.ts'
import type { ConsoleGate } from './console-gate.ts'
import type { OpenDurable } from './open-durable.ts'

export interface ReadingParts {
  readonly router: Router
  readonly sockets: SocketServer
  readonly publications: PublicationCounts
  readonly breakers: Breakers
  readonly health: () => Health
  readonly gate: ConsoleGate
  readonly durable: OpenDurable | undefined
  /** What canaries and auditor have found; undefined where there are none. */
  readonly prober?: () => ProberStatus | undefined
  readonly tally?: Pick<AuditTally, 'onLoss'>
  /** Over how long a pass of the auditor is spread. */
  readonly auditSeconds?: number
}

type OwnProbe = ReturnType<NodeReadings['probes']>[number]
type OwnAudit = ReturnType<NodeReadings['audit']>

/** What a node knows of itself for its sheet. */
export function readingsOf(options: ReadingParts): NodeReadings {
  const { router, sockets, breakers, health, gate, prober, tally } = options
  const { loadWatch } = sockets
  return {
    health,
    counted: () => countedBy(options),
    channels: () => router.channels().size,
    mailbox: () => {
      const { mailboxBytes, largestMailboxBytes } = sockets.usage()
      return { bytes: mailboxBytes, largest: largestMailboxBytes }
    },
    eventLoopLag: () => loadWatch.lagMs / 1_000,
    mirrorLag: () => options.durable?.tier.meter.mirror.lag ?? null,
    memory: () => loadWatch.memory,
    breakers: () => breakers.list(),
    probes: () => prober?.()?.probes.map(viewOf) ?? [],
    audit: () => auditOf(prober?.(), options.auditSeconds ?? 0),
    onLoss: heard => {
      if (tally) tally.onLoss = heard
    },
    readOnly: () => [...gate.switches.readOnly.keys()].sort(),
  }
}

function countedBy(parts: ReadingParts): Counted {
  const { sockets, publications, prober } = parts
  const { counts, deliveries, sessions } = sockets
  const { realtime, durable } = publications
  const failed = [realtime, durable].map(({ outcomes: { refused, read_only, unavailable } }) => {
    return refused + read_only + unavailable
  })
  const of = (lane: Lane) => deliveries.written[lane] ?? 0
  return {
    totals: {
      'published.realtime': realtime.outcomes.accepted,
      'published.durable': durable.outcomes.accepted,
      refused: sum(failed),
      'delivered.realtime': of(Lane.realtime),
      'delivered.durable': of(Lane.durable) + of(Lane.replay),
      dropped: sum(losses.flatMap(reason => [...deliveries.lost[reason]])),
      connects: counts.connects,
      disconnects: sum(counts.ended.values()),
      ...(prober?.() && { 'probe.failures': prober()?.failures ?? 0 }),
    },
    ended: counts.ended,
    connections: sessions.size,
  }
}

function sum(counts: Iterable<number>): number {
  let all = 0
  for (const count of counts) all += count
  return all
}

function viewOf({ tier, path, latencyMs, succeededAt, reason, ...counts }: ProbeSummary): OwnProbe {
  return {
    ...counts,
    ...{
      tier: tier ?? null,
      path,
      latencyMs: latencyMs ?? null,
      at: succeededAt ?? null,
      reason: reason ?? null,
    },
  }
}

function auditOf(status: ProberStatus | undefined, everySeconds: number): OwnAudit {
  if (!status) return null
  const { lost, checked, mismatches, completedAt, wholeFrom, leading } = status.audit
  const times = { completedAt: completedAt ?? null, wholeFrom: wholeFrom ?? null, everySeconds }
  return { lost, checked, mismatches, ...times, running: leading }
}
