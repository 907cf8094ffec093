/** Listeners by the name of what they listen to. */
export class Listeners<Events extends object> {
  readonly #guarded: (listener: () => unknown) => void
  readonly #all = new Map<keyof Events, Set<(told: never) => unknown>>()

  /** What a listener throws goes to `guarded`. */
  constructor(guarded: (listener: () => unknown) => void) {
    this.#guarded = guarded
  }

  /** Returns how to stop listening. */
  on<Name extends keyof Events>(
    name: Name,
    listener: (told: Events[Name]) => unknown,
    signal?: AbortSignal,
  ): () => void {
    if (signal?.aborted) return () => undefined
    const own = (told: Events[Name]) => listener(told)
    const among = this.#all.get(name) ?? new Set()
    this.#all.set(name, among.add(own))
    const off = () => {
      among.delete(own)
      signal?.removeEventListener('abort', off)
    }
    signal?.addEventListener('abort', off, { once: true })
    return off
  }

  has(name: keyof Events): boolean {
    return (this.#all.get(name)?.size ?? 0) > 0
  }

  /** False: nobody listens. */
  tell<Name extends keyof Events>(name: Name, told: Events[Name]): boolean {
    const among = this.#all.get(name)
    if (!among || among.size === 0) return false
    for (const listener of [...among]) this.#guarded(() => listener(told as never))
    return true
  }
}
