import { HoldfastError } from '../domain/index.ts'

/** `rejecting`: calls fail at once; `probing`: they still do, while one probe finds out. */
export type GuardState = 'passing' | 'rejecting' | 'probing'

export interface GuardOptions {
  /** What stands behind it, for messages: `redis`. */
  readonly name: string
  /** After this long a call counts as unanswered. A hung dependency raises no error: only a deadline shows it. */
  readonly deadlineMs: number
  /** This many failed calls in a row make it reject; a single unanswered one does at once. */
  readonly maxFailures?: number
  /** How long it rejects before the first probe, and the most after doubling; jittered. */
  readonly restMs?: { readonly first: number; readonly most: number }
  /** Asks the dependency for a sign of life; runs under the same deadline. */
  readonly probe: () => Promise<unknown>
  /** Whether a failed call speaks against the dependency itself; a wrong request does not. */
  readonly blames?: (error: unknown) => boolean
  readonly onChange?: (state: GuardState, reason: string) => void
}

/**
 * Stands before a dependency: every call has a deadline, and while the dependency is known to be away calls are
 * refused at once instead of waiting. It finds out by itself when the dependency is back, traffic or not.
 *
 * passing → rejecting (a deadline missed, failures in a row, or `trip`) → probing → passing, or rejecting again.
 *
 * A refused call was never started. One that missed its deadline may still take effect; its late answer is a sign of
 * life, upon which it probes at once: on a machine that was short of time for a moment, a healthy dependency is
 * given up for no longer than that.
 */
export class Guard {
  readonly #options: Required<GuardOptions>
  #state: GuardState = 'passing'
  #failures = 0
  #restMs: number
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: GuardOptions) {
    this.#options = {
      maxFailures: 5,
      restMs: { first: 100, most: 5_000 },
      blames: () => true,
      onChange: () => undefined,
      ...options,
    }
    this.#restMs = this.#options.restMs.first
  }

  get state(): GuardState {
    return this.#state
  }

  get passing(): boolean {
    return this.#state === 'passing'
  }

  /** @throws HoldfastError DEPENDENCY_REJECTED (never started), DEPENDENCY_TIMEOUT, DEPENDENCY_FAILED */
  async run<T>(act: () => Promise<T>): Promise<T> {
    if (this.#state !== 'passing') {
      throw new HoldfastError('DEPENDENCY_REJECTED', `${this.#options.name} is unreachable at the moment`)
    }
    try {
      const value = await this.#withDeadline(act)
      this.#failures = 0
      return value
    } catch (error) {
      throw this.#judge(error)
    }
  }

  /** Rejects from now on, for a reason known from elsewhere, such as a closed connection. */
  trip(reason: string): void {
    if (this.#closed) return
    this.#failures = 0
    if (this.#state === 'passing') this.#restMs = this.#options.restMs.first
    this.#rest()
    this.#become('rejecting', reason)
  }

  /** Probes now instead of after the rest: there is a reason to hope, such as a new connection. */
  probeSoon(): void {
    if (this.#closed || this.#state === 'passing') return
    clearTimeout(this.#timer)
    void this.#probe()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #judge(error: unknown): HoldfastError {
    const late = error instanceof HoldfastError && error.code === 'DEPENDENCY_TIMEOUT'
    if (late) {
      if (this.#state === 'passing') this.trip('no answer within the deadline')
      return error
    }
    if (
      this.#options.blames(error) &&
      ++this.#failures >= this.#options.maxFailures &&
      this.#state === 'passing'
    ) {
      this.trip('failed calls in a row')
    }
    const message = error instanceof Error ? error.message : String(error)
    return new HoldfastError('DEPENDENCY_FAILED', `${this.#options.name}: ${message}`, { cause: error })
  }

  /** Half to one and a half of the time, so that many nodes do not probe in step. */
  #rest(): void {
    clearTimeout(this.#timer)
    const rest = this.#restMs * (0.5 + Math.random())
    this.#restMs = Math.min(this.#restMs * 2, this.#options.restMs.most)
    this.#timer = setTimeout(() => void this.#probe(), rest)
    this.#timer.unref()
  }

  async #probe(): Promise<void> {
    if (this.#state === 'probing') return
    this.#become('probing', 'looking whether it is back')
    try {
      await this.#withDeadline(this.#options.probe)
    } catch (error) {
      if (this.#closed || this.#left('probing')) return
      this.#rest()
      this.#become('rejecting', error instanceof Error ? error.message : String(error))
      return
    }
    if (this.#closed || this.#left('probing')) return
    this.#restMs = this.#options.restMs.first
    this.#become('passing', 'it answers')
  }

  /** Whether the state has changed while a call was awaited. */
  #left(state: GuardState): boolean {
    return this.#state !== state
  }

  #become(state: GuardState, reason: string): void {
    if (this.#state === state) return
    this.#state = state
    this.#options.onChange(state, reason)
  }

  #withDeadline<T>(act: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const { name, deadlineMs } = this.#options
      let late = false
      const timer = setTimeout(() => {
        // After a long turn timers fire before sockets are read: an answer that lies there is still in time.
        setImmediate(() => {
          late = true
          reject(new HoldfastError('DEPENDENCY_TIMEOUT', `${name} did not answer within ${deadlineMs} ms`))
        })
      }, deadlineMs)
      act().then(
        value => {
          clearTimeout(timer)
          resolve(value)
          if (late) this.probeSoon()
        },
        error => {
          clearTimeout(timer)
          reject(error)
          if (late && !this.#options.blames(error)) this.probeSoon()
        },
      )
    })
  }
}
