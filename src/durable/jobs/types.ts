import type { JobsConfig, Logger, RedisTarget, RuleInput } from '../../platform/index.ts'
import type { Breakers } from '../../resilience/index.ts'
import type { SystemGroups } from '../groups/groups.ts'
import type { Handler } from '../groups/types.ts'
import type { LogAccess } from '../log-access.ts'
import type { ErasedPlace } from './forget-event.ts'
import type { JobOutcome } from './job-counts.ts'
import type { ScheduleOptions } from './schedules/schedule.ts'
import type { ScheduledActs } from './schedules/scheduler.ts'

export interface JobsOptions {
  readonly log: LogAccess
  readonly groups: SystemGroups
  /** Postgres. */
  readonly url: string
  /** Connections to Postgres for handlers. */
  readonly poolSize: number
  /** The Redis of jobs. Without one deliveries are written down, and wait. */
  readonly redis: RedisTarget | undefined
  /** In front of every key in Redis. */
  readonly redisPrefix: string
  readonly config: JobsConfig
  /** What schedules do. */
  readonly acts: ScheduledActs
  readonly nodeName: string
  readonly logger: Logger
  /** Where the breaker of the jobs’ Redis is seen and held. */
  readonly breakers?: Breakers
  readonly timings?: Partial<JobTimings>
}

export interface JobTimings {
  /** A worker that is not heard of for so long has lost its jobs (default 30,000), */
  readonly lockMs: number
  /** which is looked for so often (default 15,000). */
  readonly stalledMs: number
  /** A delivery that has been due for so long should have a job (default 5,000). */
  readonly overdueMs: number
}

export interface JobsStatus {
  /** How attempts of this process ended, since it began. */
  readonly deliveries: readonly { name: string; outcome: JobOutcome; count: number }[]
  /** By schedule of the configuration; `(other)` are all those that were made in code or over the API. */
  readonly schedules: readonly { name: string; outcome: JobOutcome; count: number }[]
  readonly redis: 'ready' | 'unreachable' | 'not_configured'
}

/** The jobs of one process: rules that turn events into deliveries, and schedules. */
export interface Jobs {
  /** @throws HoldfastError CONFIG_INVALID for a bad rule, or one that is declared twice */
  rule(name: string, definition: RuleInput): void
  /** What rules with this handler call. @throws HoldfastError CONFIG_INVALID for a name that is taken */
  handler(name: string, handler: Handler): void
  /**
   * Writes a schedule down, in place of what has had its name. One that says the same about when keeps its place.
   * @throws HoldfastError REQUEST_INVALID, CHANNEL_INVALID, DEPENDENCY_*
   */
  schedule(name: string, options: ScheduleOptions): Promise<void>
  /** False: there is none of this name. @throws HoldfastError REQUEST_INVALID where the configuration declares it */
  unschedule(name: string): Promise<boolean>
  /**
   * Begins to work; what is declared afterwards begins at once. Resolves when rules and schedules are known to Postgres.
   * @throws HoldfastError CONFIG_INVALID, DEPENDENCY_*
   */
  work(): Promise<void>
  /** Takes an erased event out of jobs. @throws HoldfastError DEPENDENCY_* */
  forget(place: ErasedPlace): Promise<void>
  status(): JobsStatus
  /** Finishes what is in hand, at most so long. The groups are closed before. */
  close(withinMs: number): Promise<void>
}
