import { HoldfastError } from '../../domain/index.ts'
import type { Config, Logger } from '../../platform/index.ts'
import type { AdmissionCheck } from '../admission.ts'
import { EventLoopLag } from './event-loop-lag.ts'
import { HighWater } from './high-water.ts'
import { memoryLimits, memoryUse } from './memory-use.ts'

/** What there is too much of: the closed set of `reason` in `holdfast.shed`. */
export const loadReasons = ['event_loop', 'memory'] as const
export type LoadReason = (typeof loadReasons)[number]

/** How often it is looked. */
const lookMs = 500
/** The lag has to fall to this share of the bound. */
const calmLag = 0.5
/** And the memory in use to this share. */
const calmMemory = 0.95
/**
 * A process that rests does not collect its garbage, and gives little back to the system: after so long beyond the bound,
 * one connection in a while is let in, so that it does not refuse all for ever without having anything to do.
 */
const trickle = { afterMs: 30_000, everyMs: 500 }
/** Those who are turned away are told to come back after so many seconds, each after others. */
const retryAfter = { least: 2, most: 10 }

/**
 * Sees that this process has more to do than it can, or is about to run out of memory, and has it refuse what is not
 * begun yet, so that what is under way can go on: new connections, and where memory is short, reading pasts. A node that
 * took everything would serve nobody: its turns become so long that clients take it for dead, and all come back at once.
 */
export class LoadWatch {
  readonly #logger: Logger
  readonly #lag = new EventLoopLag()
  readonly #limits = memoryLimits()
  readonly #shedLagMs: number
  readonly #water: Record<LoadReason, HighWater>
  readonly #shed: Record<LoadReason, number> = { event_loop: 0, memory: 0 }
  readonly #timer: NodeJS.Timeout
  #lagMs = 0
  #memory = 0
  /** When the next connection may come in although memory is short. */
  #nextTrickle = 0

  constructor(limits: Pick<Config['limits'], 'shedLagMs' | 'shedMemoryShare'>, logger: Logger) {
    this.#logger = logger
    const { shedLagMs, shedMemoryShare } = limits
    this.#shedLagMs = shedLagMs
    this.#water = {
      event_loop: new HighWater({ high: shedLagMs, low: shedLagMs * calmLag }),
      memory: new HighWater({ high: shedMemoryShare, low: shedMemoryShare * calmMemory }),
    }
    this.#timer = setInterval(() => this.#look(), lookMs)
    this.#timer.unref()
  }

  /** Of the event loop, lately, in milliseconds. */
  get lagMs(): number {
    return this.#lagMs
  }

  /** The share of the heap or the container's memory that is in use. */
  get memory(): number {
    return this.#memory
  }

  /** Whether this process is too late to tell whether others answer in time: at the first such reading. */
  get late(): boolean {
    return this.#water.event_loop.over || (this.#shedLagMs > 0 && this.#lagMs >= this.#shedLagMs)
  }

  /** What there is too much of now. */
  get busy(): readonly LoadReason[] {
    return loadReasons.filter(reason => this.#water[reason].over)
  }

  /** What was refused since the start. */
  shed(reason: LoadReason): number {
    return this.#shed[reason]
  }

  /** Whether a new connection may come in. */
  readonly check: AdmissionCheck = () => {
    const [limit] = this.busy
    if (!limit || (limit === 'memory' && this.#trickles())) return undefined
    this.#shed[limit]++
    const { least, most } = retryAfter
    return { status: 503, limit, retryAfterSeconds: least + Math.floor(Math.random() * (most - least + 1)) }
  }

  /**
   * Asked before the past of a channel is read for a client.
   * @throws HoldfastError OVERLOADED where memory is short
   */
  admitReplay(): void {
    if (!this.#water.memory.over) return
    this.#shed.memory++
    throw new HoldfastError('OVERLOADED', 'the node is short of memory; ask again later')
  }

  close(): void {
    clearInterval(this.#timer)
    this.#lag.close()
  }

  #trickles(): boolean {
    const now = performance.now()
    if (now < this.#nextTrickle) return false
    this.#nextTrickle = now + trickle.everyMs
    return true
  }

  #look(): void {
    this.#lagMs = this.#lag.read()
    this.#memory = memoryUse(this.#limits)
    if (this.#water.event_loop.take(this.#lagMs)) this.#tell('event_loop')
    if (this.#water.memory.take(this.#memory)) this.#tell('memory')
  }

  #tell(reason: LoadReason): void {
    const state = { reason, lagMs: Math.round(this.#lagMs), memory: Math.round(this.#memory * 100) / 100 }
    if (reason === 'memory') this.#nextTrickle = performance.now() + trickle.afterMs
    if (this.#water[reason].over)
      this.#logger.warn(state, 'the node is overloaded: new connections are refused')
    else this.#logger.info(state, 'the load has gone down: new connections are taken')
  }
}
