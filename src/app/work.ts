import type { ContractCheck } from '../contract/index.ts'
import {
  type Operations,
  startCleaning,
  startForgetting,
  startOutboxRelay,
  startRetention,
} from '../durable/index.ts'
import type { Router } from '../gateway/index.ts'
import type { Config, Logger } from '../platform/index.ts'
import type { OpenDurable } from './open-durable.ts'

/** What this process does behind the log. */
export interface Work {
  readonly operations: Operations
  /** @throws HoldfastError CONFIG_INVALID, DEPENDENCY_* */
  begin(): Promise<void>
  /** Finishes what is in hand, at most so long. Before the tier is closed. */
  close(withinMs: number): Promise<void>
}

export interface WorkOptions {
  readonly config: Config
  readonly durable: OpenDurable
  readonly router: Router
  /** The contract, for what does not come through the router. */
  readonly check: ContractCheck | undefined
  readonly nodeName: string
  readonly logger: Logger
}

/** Groups, jobs, the outbox and retention of one process. Nothing runs before `begin`. */
export function createWork({ config, durable, check, logger }: WorkOptions): Work {
  const { url, tier, sql } = durable
  const ends: (() => Promise<void>)[] = []
  let begun: Promise<void> | undefined

  async function begin(): Promise<void> {
    const { namespaces, postgres, jobs, outbox } = config
    const { redis } = tier.log
    const loops = [
      startRetention({ url, namespaces, intervalMs: postgres.retentionIntervalMs, logger }),
      startCleaning({ sql, keepSeconds: jobs.keepSeconds, logger }),
      ...(redis ? [startForgetting({ sql, copies: redis, logger })] : []),
      ...(outbox.relay
        ? [startOutboxRelay({ tier, url, namespaces, check, idleMs: outbox.idleMs, logger })]
        : []),
    ]
    ends.push(...loops.map(loop => () => loop.stop()))
  }

  return {
    operations: durable.operations,
    begin() {
      begun ??= begin()
      return begun
    },
    async close(_withinMs) {
      await Promise.all(ends.splice(0).map(end => end()))
    },
  }
}
