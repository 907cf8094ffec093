/** Something with bytes to hand over at the end of the turn. */
export interface Flushable {
  flush(): void
}

/**
 * Lets everything that was filled during one turn of the event loop be written once, at the end of it. One for
 * all sockets of a node, so that a turn costs one callback however many sockets it touched.
 */
export class FlushTurn {
  #due: Flushable[] = []

  /** `flush` is called once at the end of this turn; the caller sees to it that it is not added twice. */
  add(flushable: Flushable): void {
    if (this.#due.push(flushable) === 1) setImmediate(this.#run)
  }

  readonly #run = (): void => {
    const due = this.#due
    this.#due = []
    for (const flushable of due) flushable.flush()
  }
}
