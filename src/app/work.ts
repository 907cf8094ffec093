import { setTimeout as delay } from 'node:timers/promises'
import type { ContractCheck } from '../contract/index.ts'
import { HoldfastError, isSystemChannel } from '../domain/index.ts'
import {
  createGroups,
  createJobs,
  type Groups,
  type Jobs,
  type Operations,
  startCleaning,
  startForgetting,
  startOutboxRelay,
  startRetention,
} from '../durable/index.ts'
import type { Router } from '../gateway/index.ts'
import { type Config, type Logger, redisTarget } from '../platform/index.ts'
import type { Breakers } from '../resilience/index.ts'
import type { ConsoleGate } from './console-gate.ts'
import type { OpenDurable } from './open-durable.ts'
import { withCanaries } from './prober.ts'
import { createProjections, type Projections } from './projections.ts'

/** What this process does behind the log. */
export interface Work {
  readonly operations: Operations
  readonly groups: Groups
  readonly jobs: Jobs
  readonly projections: Projections
  /** @throws HoldfastError CONFIG_INVALID, DEPENDENCY_* */
  begin(): Promise<void>
  /** Finishes what is in hand, at most so long. Before the tier is closed. */
  close(withinMs: number): Promise<void>
}

export interface WorkOptions {
  readonly config: Config
  readonly durable: OpenDurable
  /** What schedules append and publish through. */
  readonly router: Router
  /** The contract, for what does not come through the router. */
  readonly check: ContractCheck | undefined
  readonly gate: Pick<ConsoleGate, 'outboxCheck'>
  readonly nodeName: string
  readonly logger: Logger
  readonly breakers: Breakers
}

/** How long small steps may take to end. */
const loopPatienceMs = 2_000

/** Groups, jobs, the outbox and retention of one process. Nothing runs before `begin`. */
export function createWork({
  config,
  durable,
  router,
  check,
  gate,
  nodeName,
  logger,
  breakers,
}: WorkOptions): Work {
  const { url, tier, sql } = durable
  const { leaseMs, poolSize } = config.workers
  const groups = createGroups({ log: tier.log, url, leaseMs, poolSize, nodeName, logger })
  const jobs = createJobs({
    log: tier.log,
    groups,
    url,
    poolSize,
    redis: redisTarget(config.redis, 'jobs'),
    redisPrefix: config.redis.prefix,
    config: config.jobs,
    acts: { append: event => router.append(event), publish: publication => router.publish(publication) },
    nodeName,
    logger,
    breakers,
  })
  const projections = createProjections({ config, durable, router, nodeName, logger })
  // What Holdfast itself records is no business of the application's contract, whatever its patterns match.
  const ofApplication: typeof check =
    check && ((channel, type, value) => (isSystemChannel(channel) ? undefined : check(channel, type, value)))
  const loops: { stop(): Promise<void> }[] = []
  let begun: Promise<void> | undefined
  let closed: Promise<void> | undefined

  async function begin(): Promise<void> {
    // The jobs declare a group of their own.
    await jobs.work()
    await groups.work()
    await projections.begin()
    const { namespaces, postgres, outbox } = config
    const { relay, ...outboxTimes } = outbox
    loops.push(
      startRetention({
        url,
        namespaces: withCanaries(namespaces),
        intervalMs: postgres.retentionIntervalMs,
        logger,
      }),
      startCleaning({ sql, keepSeconds: config.jobs.keepSeconds, logger }),
      startForgetting({ sql, copies: tier.log.redis, forgetJobs: event => jobs.forget(event), logger }),
    )
    if (relay)
      loops.push(
        startOutboxRelay({
          tier,
          url,
          namespaces,
          check: gate.outboxCheck(ofApplication),
          ...outboxTimes,
          logger,
        }),
      )
  }

  async function close(withinMs: number): Promise<void> {
    const end = performance.now() + withinMs
    await begun?.catch(() => undefined)
    const stopped = Promise.all(loops.splice(0).map(loop => loop.stop()))
    await Promise.all([groups.close(withinMs), projections.close(withinMs)])
    await jobs.close(Math.max(0, end - performance.now()))
    // A step that waits for a Postgres which never answers ends with its connection.
    await Promise.race([stopped, delay(loopPatienceMs, undefined, { ref: false })])
  }

  return {
    operations: durable.operations,
    groups,
    jobs,
    projections,
    begin() {
      if (closed) throw new HoldfastError('SHUTTING_DOWN', 'this node has been closed')
      // What failed may be tried again; what is running already goes on.
      begun ??= begin().catch(error => {
        begun = undefined
        throw error
      })
      return begun
    },
    close(withinMs) {
      closed ??= close(withinMs)
      return closed
    },
  }
}
