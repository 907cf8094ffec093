import { fasterTime } from '../../../observability/rules/time.ts'
import { type Prometheus, startPrometheus } from '../../support/prometheus.ts'
import { seeded } from '../../support/seeded.ts'
import { until } from '../../support/until.ts'
import { holdfastWith } from '../holdfast/system.ts'
import { type OwnStage, openStage } from '../stage.ts'
import type { Fault, Running } from '../types.ts'
import { Workload } from '../workload.ts'
import { expectations } from './expectations.ts'
import { type Observation, observe } from './observer.ts'

export interface ObservedOptions {
  readonly seed: number
  readonly redisServer?: string
  /** The program. */
  readonly prometheus: string
  readonly say?: (line: string) => void
  readonly phase?: (fault: string, phase: string) => void
}

/**
 * How many times as fast as in production rules pass their windows, thresholds in seconds and waits. What is counted over a
 * window keeps its limit where that is one; `observability/rules/time.ts` says what the bounds are for.
 */
export const observedFactor = 60
export const observedTime = fasterTime({
  factor: observedFactor,
  intervalSeconds: 1,
  leastRange: 4,
  leastSeconds: 3,
  leastCount: 3,
})

/** With something of everything that dashboards show. */
const system = holdfastWith({
  config: {
    prober: { enabled: true, intervalMs: 500, deadlineMs: 3_000, auditIntervalMs: 1_000 },
    projections: { channelActivity: {} },
    jobs: { rules: { notes: { on: { channel: 'past:{id}', type: 'Placed' }, handler: 'note' } } },
  },
  setup: new URL('./application.ts', import.meta.url).href,
  workersListen: true,
})

export type Observed = { readonly fault: Fault; readonly ms: number } & (
  | { readonly kind: 'seen'; readonly observation: Observation }
  | { readonly kind: 'unseen'; readonly error: unknown }
  | { readonly kind: 'skipped'; readonly reason: string }
)

interface Open {
  readonly stage: OwnStage
  readonly running: Running
  readonly prometheus: Prometheus
}

/** Faults on one stage under steady traffic, watched by a real Prometheus with the rules of production at another speed. */
export class ObservedChaos implements AsyncDisposable {
  readonly #options: ObservedOptions
  #open: Open | undefined
  #runs = 0

  constructor(options: ObservedOptions) {
    this.#options = options
  }

  /** It never throws. */
  async observe(fault: Fault): Promise<Observed> {
    const { seed, phase } = this.#options
    const began = performance.now()
    const ms = () => performance.now() - began
    const reason = fault.unavailable?.()
    if (reason !== undefined) return { fault, kind: 'skipped', reason, ms: 0 }
    const expectation = expectations[fault.name]
    let workload: Workload | undefined
    try {
      if (!expectation) throw new Error(`nobody has said what is seen of ${fault.name}`)
      const open = await this.open()
      const run = `o${++this.#runs}`
      const options = { system, running: open.running, run, random: seeded(seed + 1) }
      workload = new Workload({ ...options, commandRandom: seeded(seed + 2) })
      await workload.start()
      const random = seeded(seed)
      const say = (what: string) => phase?.(fault.name, what)
      const observation = await observe({ ...open, fault, expectation, random, say })
      await nothingLost(open.prometheus)
      if (fault.spoils) await this[Symbol.asyncDispose]()
      return { fault, kind: 'seen', observation, ms: ms() }
    } catch (error) {
      await workload?.stop(1_000)
      await workload?.close()
      workload = undefined
      // What is broken may stay broken, and is not the next fault's.
      await this[Symbol.asyncDispose]()
      return { fault, kind: 'unseen', error, ms: ms() }
    } finally {
      await workload?.stop(5_000)
      await workload?.close()
    }
  }

  /** The stage with everything on it, which is there from the first use on. */
  async open(): Promise<Open> {
    if (this.#open) return this.#open
    const { seed, redisServer, prometheus: program, say } = this.#options
    const stage = await openStage({
      random: seeded(seed + 2),
      ...(redisServer !== undefined && { redisServer }),
      ...(say && { say }),
    })
    try {
      const running = await system.start(stage, 2)
      stage.defer(() => running.stop())
      const targets = [...running.nodes, ...running.workers].map(({ port }) => `127.0.0.1:${port}`)
      const prometheus = await startPrometheus({ program, targets, time: observedTime })
      stage.defer(() => prometheus.stop())
      // What a panel shows before a fault is how it is, and not how it comes to be.
      const scraped = async () => (await prometheus.query('up == 1')).length === targets.length
      await until('every process is scraped', scraped, 90_000)
      this.#open = { stage, running, prometheus }
      return this.#open
    } catch (error) {
      await stage[Symbol.asyncDispose]()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = this.#open
    this.#open = undefined
    await open?.stage[Symbol.asyncDispose]()
  }
}

async function nothingLost(prometheus: Prometheus): Promise<void> {
  const lost = await prometheus.query('sum(holdfast_audit_lost) > 0')
  if (lost.length > 0) throw new Error('the auditor says that acknowledged events are lost')
}
