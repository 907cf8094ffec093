import { Deliveries } from './deliveries.ts'

/** Something that hands on at the end of the turn what came during it. */
export interface Flushable {
  flush(): void
}

/**
 * The end of a turn of the event loop, in two phases: first all fan-outs hand over to mailboxes, then all mailboxes
 * write to their sockets. One for all sockets of a node: a turn costs one callback however many channels and
 * sockets it touched, and a socket gets one write, also where several channels have something for it.
 */
export class Turn {
  /** What becomes of what is handed over and written. */
  readonly deliveries = new Deliveries()
  #handingOver: Flushable[] = []
  #writing: Flushable[] = []
  #scheduled = false

  /** `flush` is called once, before all writes; the caller sees to it that it is not added twice. */
  handOver(flushable: Flushable): void {
    this.#handingOver.push(flushable)
    this.#schedule()
  }

  /** `flush` is called once, after all that was handed over; the caller sees to it that it is not added twice. */
  write(flushable: Flushable): void {
    this.#writing.push(flushable)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#run)
  }

  /** What is handed over is written in this run; whatever else comes up meanwhile waits for the next turn. */
  readonly #run = (): void => {
    const handingOver = this.#handingOver
    this.#handingOver = []
    for (const flushable of handingOver) flushable.flush()
    const writing = this.#writing
    this.#writing = []
    this.#scheduled = false
    if (this.#handingOver.length > 0) this.#schedule()
    for (const flushable of writing) flushable.flush()
    this.deliveries.settle()
  }
}
