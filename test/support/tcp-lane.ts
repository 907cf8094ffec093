import type { Socket } from 'node:net'

/** How fast bytes of one direction pass. */
export interface Pace {
  readonly delayMs: number
  /** Up to so much more for each chunk; bytes never overtake each other. */
  readonly jitterMs: number
  readonly bytesPerSecond: number
}

/** `held`: bytes wait as TCP's own would. `swallowed`: they are gone, and whatever follows them in vain. */
export type LaneState = 'passing' | 'held' | 'swallowed'

/** What waits in a lane before it takes no more from its source, so that a slow lane presses back and keeps little. */
const mostQueuedBytes = 1_048_576

/** One direction of one connection. */
export class Lane {
  readonly #from: Socket
  readonly #to: Socket
  readonly #pace: () => Pace
  readonly #random: () => number
  readonly #count: (bytes: number) => void
  readonly #queue: { readonly chunk: Buffer; readonly due: number }[] = []
  #queuedBytes = 0
  /** When the line has taken what is before it, and when the last of that arrives. */
  #lineFree = 0
  #lastDue = 0
  #timer: NodeJS.Timeout | undefined
  #state: LaneState = 'passing'
  #blocked = false
  #ended = false

  constructor(
    from: Socket,
    to: Socket,
    pace: () => Pace,
    random: () => number,
    count: (bytes: number) => void,
  ) {
    this.#from = from
    this.#to = to
    this.#pace = pace
    this.#random = random
    this.#count = count
    from.on('data', chunk => this.#take(chunk))
    from.on('end', () => {
      this.#ended = true
      this.#flow()
    })
    to.on('drain', () => {
      this.#blocked = false
      this.#flow()
    })
  }

  get state(): LaneState {
    return this.#state
  }

  set state(state: LaneState) {
    // What is lost stays lost: a stream with a hole in it is no stream.
    if (this.#state === 'swallowed') return
    this.#state = state
    if (state === 'swallowed') {
      this.#queue.length = 0
      this.#queuedBytes = 0
    }
    this.#flow()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.state = 'swallowed'
  }

  #take(chunk: Buffer): void {
    if (this.#state === 'swallowed') return
    const { delayMs, jitterMs, bytesPerSecond } = this.#pace()
    this.#lineFree = Math.max(performance.now(), this.#lineFree) + (chunk.length * 1_000) / bytesPerSecond
    this.#lastDue = Math.max(this.#lastDue, this.#lineFree + delayMs + jitterMs * this.#random())
    this.#queue.push({ chunk, due: this.#lastDue })
    this.#queuedBytes += chunk.length
    this.#flow()
  }

  #flow(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (this.#state === 'passing' && !this.#blocked) {
      const next = this.#queue[0]
      if (!next) break
      const wait = next.due - performance.now()
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#flow(), Math.ceil(wait))
        break
      }
      this.#queue.shift()
      this.#queuedBytes -= next.chunk.length
      this.#count(next.chunk.length)
      this.#blocked = !this.#to.write(next.chunk)
    }
    const full = this.#state === 'held' || this.#blocked || this.#queuedBytes > mostQueuedBytes
    if (full) this.#from.pause()
    else this.#from.resume()
    if (this.#ended && this.#queue.length === 0 && this.#state === 'passing') this.#to.end()
  }
}
