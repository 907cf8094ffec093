import type { Logger } from '../../platform/index.ts'
import { GroupMeter } from './group-meter.ts'
import { Membership, type MembershipParts } from './membership.ts'
import { type Handling, Routes } from './routes.ts'
import type { Runner, RunnerParts } from './runner.ts'
import type { GroupSettings } from './settings.ts'
import type { Tick } from './tick.ts'
import type { BatchHandler, Group, GroupStatus, Handler } from './types.ts'

/** What all groups of a process share. */
export interface SharedParts extends Pick<RunnerParts, 'log' | 'store' | 'turns' | 'news' | 'reader'> {
  readonly member: { readonly id: string; readonly node: string }
  readonly leaseMs: number
}

type Work = { readonly membership: Membership; readonly runner: Runner }

const declareAgainMs = 1_000

/** One group as an application declares it, and from `join` on this process's work for it. */
export class WorkingGroup implements Group {
  readonly name: string
  readonly settings: GroupSettings
  readonly meter = new GroupMeter()
  readonly #routes = new Routes()
  readonly #logger: Logger
  #shared: SharedParts | undefined
  #makeRunner: ((parts: RunnerParts) => Runner) | undefined
  #work: Work | undefined
  #paused = false
  #closed = false
  #declaring: Promise<void> | undefined
  #again: NodeJS.Timeout | undefined

  constructor(name: string, settings: GroupSettings, logger: Logger) {
    this.name = name
    this.settings = settings
    this.#logger = logger
  }

  on(pattern: string, types: string | readonly string[], handler: Handler): Group {
    return this.#handle(pattern, types, { kind: 'each', handler })
  }

  onBatch(
    patterns: string | readonly string[],
    types: string | readonly string[],
    handler: BatchHandler,
  ): Group {
    return this.#handle(patterns, types, { kind: 'batch', handler })
  }

  /**
   * Makes the group known, and begins to work for it as soon as it has a handler: without one it would pass everything by.
   * @throws HoldfastError CONFIG_INVALID where it exists in the other mode; DEPENDENCY_*
   */
  async join(shared: SharedParts, makeRunner: (parts: RunnerParts) => Runner): Promise<void> {
    this.#shared = shared
    this.#makeRunner = makeRunner
    if (this.#routes.size > 0) await this.#declare()
  }

  /** It could not be made known: where that may pass, it is tried again. */
  refused(error: unknown): void {
    const later = (error as { remedy?: unknown }).remedy === 'retry_later'
    this.#logger.error(
      { err: error },
      later ? 'could not join a consumer group; trying again' : 'a consumer group cannot work',
    )
    if (!later || this.#closed) return
    this.#again = setTimeout(() => void this.#declare().catch(again => this.refused(again)), declareAgainMs)
    this.#again.unref()
  }

  status(): GroupStatus {
    const { partitions = [], suppressed = 0 } = this.#work?.runner ?? {}
    return { name: this.name, mode: this.settings.mode, paused: this.#paused, partitions, suppressed }
  }

  async close(withinMs: number): Promise<void> {
    this.#closed = true
    clearTimeout(this.#again)
    await this.#declaring?.catch(() => undefined)
    if (!this.#work) return
    // The lease is kept up until the last turn has ended.
    await this.#work.runner.close(withinMs)
    await this.#work.membership.leave()
  }

  #handle(
    patterns: string | readonly string[],
    types: string | readonly string[],
    handling: Handling,
  ): Group {
    const before = this.#routes.namespaces()
    this.#routes.add(patterns, types, handling)
    // Retention has to hear of further namespaces, and a group without a handler has not begun yet.
    if (this.#shared && `${before}` !== `${this.#routes.namespaces()}`)
      queueMicrotask(() => void this.#declare().catch(error => this.refused(error)))
    return this
  }

  /** One after the other: the last one's namespaces count. */
  async #declare(): Promise<void> {
    const before = this.#declaring
    const own = (async () => {
      await before?.catch(() => undefined)
      if (this.#closed || !this.#shared) return
      const { mode, start } = this.settings
      await this.#shared.store.declare(this.name, mode, this.#routes.namespaces(), start)
      if (!this.#closed) this.#work ??= this.#begin(this.#shared)
    })()
    this.#declaring = own
    await own
  }

  #begin({ member, leaseMs, ...shared }: SharedParts): Work | undefined {
    if (!this.#makeRunner) return undefined
    const runner = this.#makeRunner({
      ...shared,
      name: this.name,
      member: member.id,
      settings: this.settings,
      routes: this.#routes,
      meter: this.meter,
      logger: this.#logger,
      tickSoon: () => membership.tickSoon(),
    })
    const membership: Membership = new Membership({
      group: this.name,
      member,
      leaseMs,
      store: shared.store,
      logger: this.#logger,
      runner: this.#noticing(runner),
    })
    membership.start()
    return { membership, runner }
  }

  #noticing(runner: Runner): MembershipParts['runner'] {
    return {
      tick: (tick: Tick) => {
        this.#paused = tick.paused
        runner.tick(tick)
      },
      released: () => runner.released(),
      lose: () => runner.lose(),
    }
  }
}
