/**
 * Reads of one session under way at once. One at a time would leave Redis idle between pages; each may hold a whole
 * page of history or the presence of a large room in memory.
 */
const maxReading = 4

/**
 * Lets a session read no more than it takes: few reads run at once, and none begins while the client leaves too
 * much of what it was answered unread. Those that have to wait begin in the order in which they came.
 */
export class ReadTurns {
  readonly #hasRoom: () => boolean
  #running = 0
  /** Made with the first that waits: most sessions never read so much. */
  #waiting: (() => void)[] | undefined

  /** `hasRoom`: whether another answer may be made. When it may again, `look` has to be called. */
  constructor(hasRoom: () => boolean) {
    this.#hasRoom = hasRoom
  }

  async run<T>(read: () => Promise<T>): Promise<T> {
    if (this.#waiting?.length || !this.#mayBegin()) {
      this.#waiting ??= []
      const waiting = this.#waiting
      await new Promise<void>(resolve => waiting.push(resolve))
    } else this.#running++
    try {
      return await read()
    } finally {
      this.#running--
      this.look()
    }
  }

  /** There may be room again. */
  look(): void {
    while (this.#waiting?.length && this.#mayBegin()) {
      this.#running++
      this.#waiting.shift()?.()
    }
  }

  #mayBegin(): boolean {
    return this.#running < maxReading && this.#hasRoom()
  }
}
