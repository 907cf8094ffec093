/** Hands items from one side to the other, one at a time: who puts waits until it is taken. */
export class Handoff<T> {
  #item: { readonly value: T; readonly taken: () => void } | undefined
  #end: { readonly error: unknown } | undefined
  #wake: (() => void) | undefined

  /** Resolves when the item has been taken. After the end it never does, and nothing follows it. */
  put(value: T): Promise<void> {
    return new Promise(taken => {
      this.#item = { value, taken }
      this.#wake?.()
    })
  }

  /** Who takes gets this error, at once: what was put and not taken is dropped. */
  fail(error: unknown): void {
    this.#end ??= { error }
    this.#wake?.()
  }

  /** @throws what the other side has failed with */
  async take(): Promise<T> {
    while (!this.#item && !this.#end) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    if (this.#end) throw this.#end.error
    const { value, taken } = this.#item as { value: T; taken: () => void }
    this.#item = undefined
    taken()
    return value
  }
}
