import { HoldfastError } from '../domain/index.ts'

export interface PromptnessTimings {
  /** An answer that takes longer is not waited for by those who have another way. */
  readonly promptMs: number
  /** How long it has to be prompt again before it is believed; doubles where it turns slow again soon. */
  readonly restMs: { readonly first: number; readonly most: number }
}

export const promptnessDefaults: PromptnessTimings = { promptMs: 150, restMs: { first: 500, most: 5_000 } }

/** Slow again within this time of being prompt, and the rest doubles. */
const relapseMs = 30_000

/**
 * Whether Redis answers so fast that a person does not notice. A guard finds out whether it answers at all, and needs a
 * deadline that a loaded machine keeps; what clients of this node wait for needs one that they do not feel. So a Redis
 * that has missed it is asked nothing that somebody waits for, until its answers have been prompt for a while.
 */
export class Promptness {
  readonly #timings: PromptnessTimings
  readonly #now: () => number
  readonly #onChange: (prompt: boolean) => void
  #prompt = true
  #promptSince = 0
  #slowSince = 0
  #rest: number

  constructor(
    timings: PromptnessTimings,
    onChange: (prompt: boolean) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#timings = timings
    this.#onChange = onChange
    this.#now = now
    this.#rest = timings.restMs.first
    this.#promptSince = -relapseMs
  }

  get prompt(): boolean {
    return this.#prompt
  }

  /**
   * Waits no longer than a person would. After a long turn of the event loop timers fire before sockets are read, so an
   * answer that lies there is still in time.
   * @throws HoldfastError DEPENDENCY_TIMEOUT: it may still take effect, up to the `notAfter` that it was sent with
   */
  wait<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        setImmediate(() => {
          if (settled) return
          this.#turn(false)
          reject(new HoldfastError('DEPENDENCY_TIMEOUT', `redis took more than ${this.#timings.promptMs} ms`))
        })
      }, this.#timings.promptMs)
      let settled = false
      const settle = () => {
        settled = true
        clearTimeout(timer)
      }
      answer.then(
        value => {
          settle()
          resolve(value)
        },
        error => {
          settle()
          reject(error)
        },
      )
    })
  }

  /** A sign of life that comes again and again has been answered after `tookMs`. */
  answered(tookMs: number): void {
    if (this.#prompt) return
    const now = this.#now()
    if (tookMs > this.#timings.promptMs) this.#slowSince = now
    else if (now - this.#slowSince >= this.#rest) this.#turn(true)
  }

  #turn(prompt: boolean): void {
    const now = this.#now()
    if (!prompt) this.#slowSince = now
    if (prompt === this.#prompt) return
    this.#prompt = prompt
    const { first, most } = this.#timings.restMs
    if (prompt) this.#promptSince = now
    else this.#rest = now - this.#promptSince < relapseMs ? Math.min(this.#rest * 2, most) : first
    this.#onChange(prompt)
  }
}
