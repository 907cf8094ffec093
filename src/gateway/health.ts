import type { NamespaceOptions } from '../domain/index.ts'
import type { DurableStatus } from '../durable/index.ts'
import type { LoadReason, LoadWatch } from './load/load-watch.ts'
import type { Router } from './types.ts'

/** How a node is, part by part. */
export interface Health {
  /**
   * `ready`: everything works. `degraded`: it serves, with less than all (Redis is away: other nodes do not hear,
   * replay is read from the ledger). `unavailable`: traffic should go elsewhere.
   */
  readonly status: 'ready' | 'degraded' | 'unavailable'
  readonly degraded: boolean
  /** What an operator has to do, where nothing else helps. */
  readonly advice?: string
  readonly parts: {
    /** Whether other nodes can be reached (Redis Pub/Sub). */
    readonly bus: 'ready' | 'unreachable'
    /** The hot copy of the ledger (Redis Streams). */
    readonly mirror: DurableStatus['mirror']
    /** Postgres. */
    readonly ledger: DurableStatus['ledger']
    readonly epoch: string
    readonly draining: boolean
    /** What there is too much of: new connections are refused. It stays ready, see below. */
    readonly busy: readonly LoadReason[]
  }
}

export interface HealthOptions {
  readonly router: Pick<Router, 'status'>
  readonly namespaces: Readonly<Record<string, NamespaceOptions>>
  /** Whether the node has begun to stop. */
  readonly draining: () => boolean
  readonly load: () => Pick<LoadWatch, 'busy' | 'late'>
}

/**
 * The rule: a node is unavailable while it drains, and while appends cannot be accepted (ledger unreachable, read
 * only, or behind its mirror) if any namespace is durable. A lost Redis only degrades it: local delivery and the durable
 * tier go on, and taking every node out of the balancer would turn a loss of speed into a loss of service. For the same
 * reason an overloaded node stays in: it refuses new connections by itself, where a balancer would send its load to
 * nodes which have the same, until none is left. And to a process that is late everybody else seems not to answer: as
 * long as it is, a ledger without an answer does not count.
 */
export function createHealth(options: HealthOptions): () => Health {
  const hasDurable = Object.values(options.namespaces).some(namespace => namespace.tier === 'durable')
  return () => {
    const { bus, durable } = options.router.status()
    const draining = options.draining()
    const { busy, late } = options.load()
    const silent = durable.ledger === 'unreachable' && late
    const unavailable = draining || (hasDurable && durable.ledger !== 'ready' && !silent)
    const degraded =
      unavailable ||
      silent ||
      busy.length > 0 ||
      bus !== 'ready' ||
      (hasDurable && durable.mirror !== 'ready')
    return {
      status: unavailable ? 'unavailable' : degraded ? 'degraded' : 'ready',
      degraded,
      ...(hasDurable && durable.advice !== undefined && { advice: durable.advice }),
      parts: { bus, mirror: durable.mirror, ledger: durable.ledger, epoch: durable.epoch, draining, busy },
    }
  }
}
