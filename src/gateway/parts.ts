import type { Cursors, DurableTier } from '../durable/index.ts'
import type { Turn } from '../hub/index.ts'
import type { Config, Logger } from '../platform/index.ts'
import type { RealtimeTier } from '../realtime/index.ts'
import type { Tracing } from '../tracing/index.ts'
import type { GatewayCounts } from './gateway-counts.ts'
import type { ConnectionCounts } from './limits/connection-counts.ts'
import type { RateLimits } from './limits/rate-limits.ts'
import type { Room } from './limits/room.ts'
import type { LoadWatch } from './load/load-watch.ts'
import type { SessionRegistry } from './session-registry.ts'
import type { TierWatch } from './tier-watch.ts'
import type { Authenticator, CommandRunner, Hooks, Permissions, Router } from './types.ts'

/** What every session of a node shares. */
export interface GatewayParts {
  readonly config: Pick<Config, 'auth' | 'limits' | 'http' | 'namespaces'>
  readonly authenticator: Authenticator
  readonly permissions: Permissions
  readonly hooks: Hooks
  readonly router: Router
  readonly realtime: RealtimeTier
  /** Undefined where no Postgres is configured. */
  readonly durable: DurableTier | undefined
  /** As `durable`. */
  readonly commands?: CommandRunner | undefined
  /** As `durable`. */
  readonly cursors: Cursors | undefined
  readonly logger: Logger
  /** Which messages are traced; without it none. */
  readonly tracing?: Tracing | undefined
  /** Told to clients in the connect reply. */
  readonly version: string
  readonly registry: SessionRegistry
  readonly turn: Turn
  readonly counts: GatewayCounts
  readonly rates: RateLimits
  readonly userConnections: ConnectionCounts
  /** What commands under way take up on this node. */
  readonly commandBytes: Room
  readonly load: LoadWatch
  readonly tiers: TierWatch
}
