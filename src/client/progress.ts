/** Which readers of a client have everything there is, and which still wait for it. */
export class Progress {
  /** Whether anybody wants to know; finding out may take a question to the server. */
  readonly watched: () => boolean
  readonly #onChange: () => void
  readonly #behind = new Set<{ readonly channel: string }>()

  constructor({ watched, onChange }: { watched: () => boolean; onChange: () => void }) {
    this.watched = watched
    this.#onChange = onChange
  }

  /** Channels with a reader that is behind, each once. */
  get behind(): readonly string[] {
    return [...new Set([...this.#behind].map(({ channel }) => channel))]
  }

  is(reader: { readonly channel: string }, live: boolean): void {
    if (live === !this.#behind.has(reader)) return
    if (live) this.#behind.delete(reader)
    else this.#behind.add(reader)
    this.#onChange()
  }

  gone(reader: { readonly channel: string }): void {
    this.is(reader, true)
  }
}
