/** What has been opened so far, so that a step that fails leaves nothing behind: a process would stay for it. */
export class Opened {
  readonly #closings: (() => unknown)[] = []

  add<T>(part: T, close: (part: T) => unknown): T {
    this.#closings.push(() => close(part))
    return part
  }

  /** The last one first; one that fails does not keep the others. */
  async close(): Promise<void> {
    for (const close of this.#closings.splice(0).reverse()) {
      try {
        await close()
      } catch {
        // The error that led here says what is wrong.
      }
    }
  }
}
