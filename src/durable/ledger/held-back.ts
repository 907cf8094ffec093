import type { Logger } from '../../platform/index.ts'

/** Who keeps retention from what it would remove, and since when this process has seen it. */
interface Holding {
  readonly namespace: string
  readonly holder: string
  readonly channel: string
  readonly since: number
  /** The last pass that met it. */
  seen: number
  told: number | undefined
}

/** One that retention waits for all day is no news every minute. */
const tellAgainMs = 24 * 3_600_000
/** A pass asks few channels who holds them, so one that is not met for a while may still be there. */
const forgottenAfter = 10

/** Remembers who holds retention back, and says it when that has lasted: a group that nobody runs holds for ever. */
export class HeldBack {
  readonly #holdings = new Map<string, Holding>()
  readonly #patienceMs: number
  readonly #logger: Logger | undefined
  #pass = 0

  constructor(patienceMs: number, logger: Logger | undefined) {
    this.#patienceMs = patienceMs
    this.#logger = logger
  }

  note(namespace: string, holder: string, channel: string): void {
    const now = performance.now()
    const key = `${namespace} ${holder}`
    const known = this.#holdings.get(key)
    if (known) known.seen = this.#pass
    else
      this.#holdings.set(key, { namespace, holder, channel, since: now, seen: this.#pass, told: undefined })
  }

  /** Ends a pass. */
  tell(): void {
    const now = performance.now()
    for (const [key, holding] of this.#holdings) {
      const { namespace, holder, channel, since, seen, told } = holding
      if (this.#pass - seen >= forgottenAfter) this.#holdings.delete(key)
      else if (now - since >= this.#patienceMs && (told === undefined || now - told >= tellAgainMs)) {
        holding.told = now
        const minutes = Math.round((now - since) / 60_000)
        this.#logger?.warn(
          { namespace, holder, channel, minutes },
          'retention waits for one that does not move; "holdfast retention status" shows what it holds',
        )
      }
    }
    this.#pass++
  }
}
