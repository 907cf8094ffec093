import { type OpenTier, startCleaning, startForgetting, startRetention } from '../durable/index.ts'
import type { Config, Logger, Sql } from '../platform/index.ts'

/** What this process does behind the log. */
export interface Work {
  /** @throws HoldfastError CONFIG_INVALID, DEPENDENCY_* */
  begin(): Promise<void>
  /** Finishes what is in hand, at most so long. */
  close(withinMs: number): Promise<void>
}

export interface WorkOptions {
  readonly config: Config
  /** Postgres. */
  readonly url: string
  /** Connections for small things; the caller closes them. */
  readonly sql: Sql
  readonly tier: OpenTier
  readonly nodeName: string
  readonly logger: Logger
}

/** Groups, jobs, the outbox and retention of one process. Nothing runs before `begin`. */
export function createWork({ config, url, sql, tier, logger }: WorkOptions): Work {
  const ends: (() => Promise<void>)[] = []
  let begun: Promise<void> | undefined

  async function begin(): Promise<void> {
    const { namespaces, postgres, jobs } = config
    const { redis } = tier.log
    const loops = [
      startRetention({ url, namespaces, intervalMs: postgres.retentionIntervalMs, logger }),
      startCleaning({ sql, keepSeconds: jobs.keepSeconds, logger }),
      ...(redis ? [startForgetting({ sql, copies: redis, logger })] : []),
    ]
    ends.push(...loops.map(loop => () => loop.stop()))
  }

  return {
    begin() {
      begun ??= begin()
      return begun
    },
    async close(_withinMs) {
      await Promise.all(ends.splice(0).map(end => end()))
    },
  }
}
