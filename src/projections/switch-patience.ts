/** In milliseconds, doubled with each try in vain. */
const wait = { first: 3_000, most: 30_000 }
const pause = { first: 500, most: 60_000 }

interface Tried {
  readonly inVain: number
  readonly notBefore: number
}

/**
 * When and for how long this process tries to switch to builds, whose batches or readers do not let it at once. Whoever
 * waits for a switch keeps all others from beginning: so what is tried in vain is tried later and later, and then for
 * longer, because batches may be as long.
 */
export class SwitchPatience {
  readonly #tried = new Map<string, Tried>()
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Milliseconds that what is in hand may take; undefined: it is too early to try again. */
  waitMs(group: string): number | undefined {
    const { inVain, notBefore } = this.#tried.get(group) ?? { inVain: 0, notBefore: Number.NEGATIVE_INFINITY }
    return this.#now() < notBefore ? undefined : Math.min(wait.most, wait.first * 2 ** inVain)
  }

  inVain(group: string): void {
    const { inVain = 0 } = this.#tried.get(group) ?? {}
    const notBefore = this.#now() + Math.min(pause.most, pause.first * 2 ** inVain)
    this.#tried.set(group, { inVain: inVain + 1, notBefore })
  }

  forget(group: string): void {
    this.#tried.delete(group)
  }
}
