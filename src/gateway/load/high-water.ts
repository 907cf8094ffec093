export interface HighWaterOptions {
  /** From here on it is high. 0: never. */
  readonly high: number
  /** From here down it is low again. */
  readonly low: number
}

/** So many readings in a row: one long pause is no reason to turn anybody away. */
const readingsToRise = 2
/** And so many to fall, so that it does not flap: what came in at once would raise it again. */
const readingsToFall = 4

/** Whether a measure that goes up and down has been too high for some time, and not low for some time since. */
export class HighWater {
  readonly #options: HighWaterOptions
  #beyond = 0
  #over = false

  constructor(options: HighWaterOptions) {
    this.#options = options
  }

  get over(): boolean {
    return this.#over
  }

  /** Takes the next reading; true where `over` has changed by it. */
  take(reading: number): boolean {
    const { high, low } = this.#options
    if (high === 0) return false
    const turning = this.#over ? reading <= low : reading >= high
    this.#beyond = turning ? this.#beyond + 1 : 0
    if (this.#beyond < (this.#over ? readingsToFall : readingsToRise)) return false
    this.#over = !this.#over
    this.#beyond = 0
    return true
  }
}
