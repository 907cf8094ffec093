import { setTimeout as delay } from 'node:timers/promises'
import { seeded } from '../support/seeded.ts'
import { type Run, type RunOptions, runFault } from './run-fault.ts'
import { type OwnStage, openStage } from './stage.ts'
import type { Fault, Invariant, Running, System } from './types.ts'

export interface ChaosOptions {
  readonly system: System
  /** Those of `rows`. */
  readonly faults?: readonly Fault[]
  readonly seed: number
  readonly holdMs: number
  readonly nodes?: number
  readonly redisServer?: string
  readonly say?: (line: string) => void
  /** What a fault is doing right now. */
  readonly phase?: (fault: string, phase: string) => void
}

/** Several times what the longest takes on a slow machine. */
const mostMs = 240_000

/** What came of one fault. */
export type Row = { readonly fault: Fault | undefined; readonly ms: number } & (
  | { readonly kind: 'run'; readonly run: Run }
  /** The run itself came to no end. */
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'skipped'; readonly reason: string }
)

/**
 * The same traffic first without a fault and then under each, one after another on one stage, each in channels of its
 * own. Each fault draws from the seed alone, so that it can be repeated without those before it.
 */
export class Chaos implements AsyncDisposable {
  readonly #options: ChaosOptions
  #stage: OwnStage | undefined
  #running: Running | undefined
  #closed = false
  #runs = 0

  constructor(options: ChaosOptions) {
    this.#options = options
  }

  async *rows(): AsyncGenerator<Row> {
    const baseline = await this.row(undefined)
    yield baseline
    if (baseline.kind !== 'run') return
    for (const fault of this.#options.faults ?? [])
      yield await this.row(fault, { baseline: baseline.run.verdict.measures })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#close()
  }

  /** One run; it never throws. */
  async row(
    fault: Fault | undefined,
    more: Pick<RunOptions, 'baseline' | 'tamper' | 'drainMs'> = {},
  ): Promise<Row> {
    const { system, seed, holdMs, phase } = this.#options
    const reason = fault?.suits && !fault.suits(system) ? `not for ${system.name}` : fault?.unavailable?.()
    if (reason !== undefined) return { fault, kind: 'skipped', reason, ms: 0 }
    const start = performance.now()
    const ms = () => performance.now() - start
    try {
      const { stage, running } = await this.#open()
      const once = () =>
        withinLimit({
          stage,
          system,
          running,
          run: `r${++this.#runs}`,
          seed,
          holdMs,
          ...(fault && { fault }),
          ...more,
          say: what => phase?.(fault?.name ?? 'no fault', what),
        })
      let run = await once()
      if (!fault?.spoils && onlyTooSlow(run)) run = await once()
      // What is broken may stay broken, and is not the next fault's.
      if (fault?.spoils || run.verdict.violations.length > 0) await this.#close()
      return { fault, kind: 'run', run, ms: ms() }
    } catch (error) {
      await this.#close()
      return { fault, kind: 'failed', error, ms: ms() }
    }
  }

  async #open(): Promise<{ stage: OwnStage; running: Running }> {
    if (this.#closed) throw new Error('the chaos run is being stopped')
    const { system, seed, redisServer, say, nodes = 2 } = this.#options
    this.#stage ??= await openStage({
      random: seeded(seed + 2),
      ...(redisServer !== undefined && { redisServer }),
      ...(say && { say }),
    })
    const stage = this.#stage
    if (!this.#running) {
      const running = await system.start(stage, nodes)
      stage.defer(() => running.stop())
      this.#running = running
    }
    if (this.#closed) await this.#close()
    return { stage, running: this.#running }
  }

  async #close(): Promise<void> {
    const stage = this.#stage
    this.#stage = undefined
    this.#running = undefined
    await stage?.[Symbol.asyncDispose]()
  }
}

/** On a shared machine a process may not run for half a second: what is the system's own fault comes again. */
function onlyTooSlow({ verdict: { violations } }: Run): boolean {
  return violations.length > 0 && violations.every(({ invariant }) => timed.has(invariant))
}

const timed: ReadonlySet<Invariant> = new Set(['no silence', 'recovery in time'])

/** What hangs is reported, and ends with its stage. */
async function withinLimit(options: RunOptions): Promise<Run> {
  const over = new AbortController()
  const limit = delay(mostMs, undefined, { signal: over.signal }).then(() => {
    throw new Error(`the run had not ended after ${mostMs / 1_000} s`)
  })
  limit.catch(() => undefined)
  try {
    return await Promise.race([runFault(options), limit])
  } finally {
    over.abort()
  }
}
