import type { Breath } from './breath.ts'

/**
 * Hands items to the application one after the other: the next only when the handler, or the promise it returned,
 * has ended. A handler that throws is reported and the next item follows. While handlers are synchronous nothing
 * waits: an item is handled within `push`, unless they have kept the thread so long that it is others' turn.
 *
 * Unbounded by itself: whoever pushes looks at `full` first, because what to do about it depends on the item.
 */
export class Inbox<T> {
  readonly #handle: (item: T) => unknown
  readonly #onFailure: (error: unknown, item: T) => void
  readonly #onHandled: (item: T) => void
  readonly #capacity: number
  readonly #breath: Breath
  #items: T[] = []
  #busy = false
  #closed = false
  #waiting: (() => void)[] = []

  constructor(options: {
    handle: (item: T) => unknown
    onFailure: (error: unknown, item: T) => void
    onHandled: (item: T) => void
    capacity: number
    breath: Breath
  }) {
    this.#handle = options.handle
    this.#onFailure = options.onFailure
    this.#onHandled = options.onHandled
    this.#capacity = options.capacity
    this.#breath = options.breath
  }

  get full(): boolean {
    return this.#items.length >= this.#capacity
  }

  get size(): number {
    return this.#items.length
  }

  push(item: T): void {
    if (this.#closed) return
    this.#items.push(item)
    if (!this.#busy) this.#run()
  }

  /** Resolves when less than half of the room is taken, or the inbox is closed. */
  room(): Promise<void> {
    if (this.#closed || this.#items.length < this.#capacity / 2) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  /** Nothing more is handed on; what is being handled ends by itself. */
  close(): void {
    this.#closed = true
    this.#items = []
    this.#wake()
  }

  #run(): void {
    this.#busy = true
    let at = 0
    while (at < this.#items.length) {
      if (this.#breath.due()) {
        this.#goOn(at, this.#breath.pause())
        return
      }
      const item = this.#items[at++] as T
      const promise = this.#start(item)
      if (this.#closed) break
      if (promise) {
        this.#goOn(at, promise)
        return
      }
    }
    this.#items = []
    this.#busy = false
    this.#wake()
  }

  /** The first `handled` are done; the others wait for the promise. */
  #goOn(handled: number, after: Promise<void>): void {
    this.#items.splice(0, handled)
    if (this.#items.length < this.#capacity / 2) this.#wake()
    after.then(() => this.#run())
  }

  /** A promise that never rejects where the handler has not ended yet. */
  #start(item: T): Promise<void> | undefined {
    try {
      const returned = this.#handle(item)
      if (!isThenable(returned)) {
        this.#onHandled(item)
        return undefined
      }
      return Promise.resolve(returned)
        .catch((error: unknown) => this.#onFailure(error, item))
        .then(() => {
          this.#onHandled(item)
        })
    } catch (error) {
      this.#onFailure(error, item)
      this.#onHandled(item)
      return undefined
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
