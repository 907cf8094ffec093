import {
  ConsoleAccess,
  gatedRouter,
  gatedTier,
  hasConsole,
  NamespaceSwitches,
  Observers,
  Sampler,
} from '../console/index.ts'
import type { ContractCheck } from '../contract/index.ts'
import type { OpenTier } from '../durable/index.ts'
import type { Authenticator, Hooks, Permissions, PublicationCounts, Router } from '../gateway/index.ts'
import type { Config } from '../platform/index.ts'

/** Where the console stands in the way of clients and publications. It is there before the node is, and the console after. */
export interface ConsoleGate {
  readonly access: ConsoleAccess
  readonly switches: NamespaceSwitches
  readonly sampler: Sampler
  /** Told when a holder of a console token looks into a channel. */
  onTail: ((user: string, channel: string) => void) | undefined
  authenticator(inner: Authenticator): Authenticator
  permissions(inner: Permissions): Permissions
  hooks(inner: Hooks): Hooks
  /** What it refuses is counted with the rest. */
  router(inner: Router, counts: PublicationCounts): Router
  tier(inner: OpenTier | undefined): Pick<OpenTier, 'appendTogether' | 'log'> | undefined
  /** What comes by the outbox waits there while its namespace is read-only. */
  outboxCheck(inner: ContractCheck | undefined): ContractCheck
}

export function consoleGate(config: Config): ConsoleGate {
  const access = new ConsoleAccess(config)
  const switches = new NamespaceSwitches()
  const sampler = new Sampler()
  const observers = hasConsole(config)
    ? new Observers({
        access,
        ownListener: config.console.port !== undefined,
        onTail: (user, channel) => gate.onTail?.(user, channel),
      })
    : undefined
  const gate: ConsoleGate = {
    ...{ access, switches, sampler, onTail: undefined },
    authenticator: inner => observers?.authenticator(inner) ?? inner,
    permissions: inner => observers?.permissions(inner) ?? inner,
    hooks: inner => observers?.hooks(inner) ?? inner,
    router: (inner, counts) => gatedRouter(inner, { switches, sampler, counts }),
    tier: inner => inner && gatedTier(inner, switches, sampler),
    outboxCheck: inner => (channel, type, value) => {
      switches.admit(channel)
      return inner?.(channel, type, value)
    },
  }
  return gate
}
