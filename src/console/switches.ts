import { HoldfastError, namespaceOf } from '../domain/index.ts'

/** Why a namespace takes nothing. */
export interface ReadOnly {
  /** Milliseconds since 1970. */
  readonly since: number
  readonly by: string
  readonly reason: string | null
}

/**
 * Which namespaces take no publications, as this node knows it: read from Postgres now and then, and kept as it was last
 * known while Postgres is away. An unknown switch must not stop anybody, and a known one must not be forgotten.
 */
export class NamespaceSwitches {
  #readOnly: ReadonlyMap<string, ReadOnly> = new Map()
  #refused = 0
  #at: number | undefined

  /** By namespace. */
  get readOnly(): ReadonlyMap<string, ReadOnly> {
    return this.#readOnly
  }

  /** What was refused on this node for it. */
  get refused(): number {
    return this.#refused
  }

  /** When they were last read, in milliseconds since 1970. */
  get at(): number | undefined {
    return this.#at
  }

  learn(readOnly: ReadonlyMap<string, ReadOnly>, at: number): void {
    this.#readOnly = readOnly
    this.#at = at
  }

  /** READ_ONLY, to be thrown, where a channel's namespace takes nothing. */
  refusal(channel: string): HoldfastError | undefined {
    if (this.#readOnly.size === 0 || !this.#readOnly.has(namespaceOf(channel))) return undefined
    this.#refused++
    const told = `${namespaceOf(channel)} takes no publications for now`
    return new HoldfastError('READ_ONLY', `the namespace ${told}: an operator has made it read-only`, {
      details: { told },
    })
  }

  /** @throws HoldfastError READ_ONLY */
  admit(channel: string): void {
    const refused = this.refusal(channel)
    if (refused) throw refused
  }
}
