import { HoldfastError } from '../domain/index.ts'
import { isHeld, newBreaker, nextProbeAt, step } from './breaker.ts'
import type { Breaker, BreakerEvent, BreakerRules, BreakerState } from './breaker-states.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Blame, GuardOptions } from './guard-options.ts'
import { type OpenCall, OpenCalls } from './open-calls.ts'
import { newTally, type Tally } from './tally.ts'

/**
 * Stands before a dependency: every call has a deadline, and while the dependency is known to be away calls are
 * refused at once instead of waiting. It finds out by itself when the dependency is back, traffic or not. What it
 * does when is the breaker's (`breaker.ts`); this is the breaker with timers and promises around it.
 *
 * A refused call was never started. One that missed its deadline may still take effect; its late answer is a sign of
 * life, upon which it probes at once: on a machine that was short of time for a moment, a healthy dependency is
 * given up for no longer than that.
 */
export class Guard {
  readonly #options: GuardOptions
  readonly #slowMs: number
  readonly #rules: BreakerRules
  readonly #clock: Clock
  readonly #random: () => number
  readonly #blames: (error: unknown) => Blame
  readonly #calls: OpenCalls
  readonly #tally: Tally = newTally()
  readonly #onChange = new Set<(state: BreakerState, reason: string) => void>()
  #breaker: Breaker
  /** Answered in time and not told to the breaker yet: it only needs to know before something goes wrong. */
  #succeeded = 0
  /** Something was answered since the last beat. */
  #heard = false
  /** When the latest call began that was answered. */
  #provenAt = Number.NEGATIVE_INFINITY
  /** When it last stopped to pass. */
  #awaySince = Number.POSITIVE_INFINITY
  #cancelProbe: (() => void) | undefined
  #cancelBeat: (() => void) | undefined
  #closed = false

  constructor(options: GuardOptions) {
    const { deadlineMs, slowMs = deadlineMs / 2, clock = systemClock } = options
    this.#options = options
    this.#slowMs = slowMs
    this.#clock = clock
    this.#random = options.random ?? Math.random
    this.#blames = options.blames ?? (() => true)
    this.#rules = {
      inARow: options.maxFailures ?? 5,
      window: options.window ?? { ms: 5_000, calls: 20, share: 0.5 },
      restMs: options.restMs ?? { first: 100, most: 5_000 },
      goodProbes: options.goodProbes ?? 1,
      slowness: options.slowness ?? 'failure',
    }
    const around = { rules: this.#rules, at: clock.now(), random: this.#random }
    this.#breaker = newBreaker(around, options.awayAtFirst)
    this.#calls = new OpenCalls({
      clock,
      slowMs,
      deadlineMs,
      onSlow: () => {
        this.#tally.slow++
        this.#step({ kind: 'call_slow' })
      },
      onLook: () => this.#flush(),
    })
    if (options.onChange) this.#onChange.add(options.onChange)
    if (!this.passing) this.#awaySince = around.at
    this.#armProbe(this.#breaker, around.at)
    this.#beat()
  }

  get state(): BreakerState {
    return this.#breaker.state
  }

  get passing(): boolean {
    return this.#breaker.state === 'passing'
  }

  /** Whether an operator holds it in its state. */
  get held(): boolean {
    return isHeld(this.#breaker)
  }

  /** Why it is in its state. */
  get reason(): string {
    return this.#breaker.reason
  }

  /** How long it has been in its state, in milliseconds. */
  get forMs(): number {
    return this.#clock.now() - this.#breaker.since
  }

  /** What it has seen, from its beginning on. */
  get tally(): Readonly<Tally> {
    return this.#tally
  }

  /** Whether a call may begin now; a refusal is counted. For callers who have another way and want no promise. */
  allow(): boolean {
    if (this.#breaker.state === 'passing') return true
    this.#tally.rejected++
    return false
  }

  /** @throws HoldfastError DEPENDENCY_REJECTED (never started), DEPENDENCY_TIMEOUT, DEPENDENCY_FAILED, or the act's own */
  run<T>(act: () => Promise<T>): Promise<T> {
    return this.allow() ? this.#call(act) : Promise.reject(this.refusal())
  }

  /**
   * Calls in any state: for what has begun and must find its end. The answer is a sign of life.
   * @throws HoldfastError DEPENDENCY_TIMEOUT, DEPENDENCY_FAILED, or the act's own
   */
  insist<T>(act: () => Promise<T>): Promise<T> {
    return this.#call(act)
  }

  /** DEPENDENCY_REJECTED, to be thrown by whoever was not allowed. */
  refusal(): HoldfastError {
    const { name } = this.#options
    return new HoldfastError(
      'DEPENDENCY_REJECTED',
      this.held ? `${name} is ${this.reason}` : `${name} is unreachable at the moment`,
    )
  }

  /** Rejects from now on, for a reason known from elsewhere, such as a closed connection. */
  trip(reason: string): void {
    this.#step({ kind: 'tripped', reason })
  }

  /** Probes now instead of after the rest: there is a reason to hope, such as a new connection. */
  probeSoon(): void {
    if (this.#breaker.state !== 'passing') this.#step({ kind: 'probe_due' })
  }

  /** An operator's word: it stays so, whatever happens, until `release`. `reason` says who. */
  hold(as: 'passing' | 'rejecting', reason: string): void {
    this.#step({ kind: 'held', as, reason })
  }

  /** Goes on by itself again, and looks first where it is not known how the dependency is. */
  release(reason: string): void {
    this.#step({ kind: 'released', reason })
  }

  onChange(listener: (state: BreakerState, reason: string) => void): () => void {
    this.#onChange.add(listener)
    return () => this.#onChange.delete(listener)
  }

  /** Changes no more. Calls that are under way end as they would have. */
  close(): void {
    this.#closed = true
    this.#cancelProbe?.()
    this.#cancelBeat?.()
    this.#onChange.clear()
  }

  #call<T>(act: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const call = this.#calls.begin(() => {
        this.#tally.missed++
        const { name, deadlineMs } = this.#options
        reject(new HoldfastError('DEPENDENCY_TIMEOUT', `${name} did not answer within ${deadlineMs} ms`))
        this.#step({ kind: 'call_missed' })
      })
      started(act).then(
        value => {
          this.#calls.end(call)
          resolve(value)
          this.#answered(call)
        },
        error => {
          this.#calls.end(call)
          reject(this.#judge(error, call))
        },
      )
    })
  }

  #answered(call: OpenCall): void {
    if (call.startedAt > this.#provenAt) this.#provenAt = call.startedAt
    if (this.passing) {
      this.#heard = true
      if (call.stage === 'young') this.#succeeded++
    } else if (call.stage === 'missed') this.probeSoon()
    // One that began before the trouble says nothing about now.
    else if (call.startedAt >= this.#awaySince) this.#step({ kind: 'calls_succeeded', count: 1 })
  }

  #judge(error: unknown, call: OpenCall): unknown {
    const unanswered = error instanceof HoldfastError && error.code === 'DEPENDENCY_TIMEOUT'
    const blame = unanswered || this.#blames(error)
    const message = error instanceof Error ? error.message : String(error)
    if (!blame) this.#answered(call)
    else if (call.stage !== 'missed') {
      this.#tally[unanswered ? 'missed' : 'failed']++
      if (unanswered) this.#step({ kind: 'call_missed' })
      else if (blame === 'unsure' && this.#rules.slowness === 'doubt') this.#step({ kind: 'call_slow' })
      else this.#step({ kind: blame === 'at once' ? 'tripped' : 'call_failed', reason: message })
    }
    if (error instanceof HoldfastError) return error
    return new HoldfastError('DEPENDENCY_FAILED', `${this.#options.name}: ${message}`, { cause: error })
  }

  #step(event: BreakerEvent): void {
    if (this.#closed) return
    this.#flush()
    this.#apply(event)
  }

  #flush(): void {
    if (this.#succeeded === 0 || this.#closed) return
    const count = this.#succeeded
    this.#succeeded = 0
    this.#apply({ kind: 'calls_succeeded', count })
  }

  #apply(event: BreakerEvent): void {
    const before = this.#breaker
    const at = this.#clock.now()
    const breaker = step(before, event, { rules: this.#rules, at, random: this.#random })
    if (breaker === before) return
    this.#breaker = breaker
    if (breaker.probeOut && !before.probeOut) this.#probe()
    this.#armProbe(breaker, at)
    if (breaker.state === before.state) return
    if (before.state === 'passing') this.#awaySince = at
    this.#tally.changes[breaker.state]++
    for (const listener of this.#onChange) listener(breaker.state, breaker.reason)
  }

  #armProbe(breaker: Breaker, at: number): void {
    this.#cancelProbe?.()
    this.#cancelProbe = undefined
    const probeAt = nextProbeAt(breaker)
    if (probeAt === undefined) return
    const due = () => this.#step({ kind: 'probe_due' })
    this.#cancelProbe = this.#clock.after(Math.max(0, probeAt - at), due)
  }

  #probe(): void {
    const { probe, probeMs = this.#slowMs } = this.#options
    const startedAt = this.#clock.now()
    let open = true
    const end = (failure?: string) => {
      open = false
      cancel()
      this.#tally.probes[failure === undefined ? 'succeeded' : 'failed']++
      this.#step(
        failure === undefined ? { kind: 'probe_succeeded' } : { kind: 'probe_failed', reason: failure },
      )
    }
    // What calls have found out meanwhile weighs more: the probe may have had a connection of its own, which broke.
    const unheard = (failure: string) => end(this.#provenAt >= startedAt ? undefined : failure)
    const cancel = this.#clock.after(probeMs, () =>
      this.#clock.afterReading(() => open && unheard(`no sign of life within ${probeMs} ms`)),
    )
    started(probe).then(
      () => (open ? end() : this.probeSoon()),
      error => {
        const blame = error instanceof HoldfastError ? 'at once' : this.#blames(error)
        if (!open) return blame ? undefined : this.probeSoon()
        const message = error instanceof Error ? error.message : String(error)
        if (!blame) end()
        else if (blame === 'at once') end(message)
        else unheard(message)
      },
    )
  }

  #beat(): void {
    const { idleMs } = this.#options
    if (idleMs === undefined) return
    const beat = () => {
      if (this.passing && !this.#heard) this.#step({ kind: 'probe_due' })
      this.#heard = false
      this.#beat()
    }
    this.#cancelBeat = this.#clock.after(idleMs * (0.75 + this.#random() / 2), beat)
  }
}

/** A promise in every case: an act that throws at once has failed like any other. */
function started<T>(act: () => Promise<T>): Promise<T> {
  try {
    return act()
  } catch (error) {
    return Promise.reject(error)
  }
}
