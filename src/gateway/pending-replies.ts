import { HoldfastError } from '../domain/index.ts'
import { errorReply, wireErrors } from '../protocol/index.ts'

export interface PendingRepliesOptions {
  readonly send: (line: string) => void
  /** How long a command may hold back the replies of later ones. */
  readonly overtakeMs: number
  /** How long a command may take before it is answered with a temporary error. */
  readonly deadlineMs: number
  /** Called when the deadline has answered a command, with the error's code. */
  readonly onLate?: (code: number) => void
  /** Called after every answer. */
  readonly onSettled: () => void
}

/** A command under way. */
export interface Pending {
  readonly id: number
  /** It has been answered without its result (deadline), or the session has ended: whatever it did must be undone. */
  readonly abandoned: boolean
  /**
   * Waits for foreign code no longer than the command may take.
   * @throws HoldfastError DEPENDENCY_TIMEOUT when the command is abandoned meanwhile
   */
  within<T>(promise: Promise<T>): Promise<T>
  /** Answers; `sent` is called when the reply is in the mailbox. Later calls do nothing. */
  finish(line: string, sent?: () => void): void
  /** Sends the answer now, before those of earlier commands. */
  overtake(): void
}

/**
 * The replies of one session in the order of its commands, although commands run side by side: a signal never
 * waits for a commit, only its acknowledgement does. And that not for ever: a command that takes longer than
 * `overtakeMs` (its database hangs) loses its place, because SDKs reset a connection whose subscribe is not
 * answered within seconds. Order is kept for everything faster than that.
 */
export class PendingReplies {
  readonly #options: PendingRepliesOptions
  readonly #queue: Entry[] = []
  /** Those that have lost their place; almost always none. */
  #late: Entry[] = []
  #heldCharacters = 0
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: PendingRepliesOptions) {
    this.#options = options
  }

  /** Commands without an answer. */
  get size(): number {
    return this.#queue.length + this.#late.length
  }

  /** Characters of answers that wait for those of earlier commands. */
  get heldCharacters(): number {
    return this.#heldCharacters
  }

  open(id: number): Pending {
    const entry = new Entry(id, this.#settle)
    this.#queue.push(entry)
    this.#arm()
    return entry
  }

  /** Nothing is answered any more; what is under way is abandoned. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    for (const entry of [...this.#queue, ...this.#late]) entry.abandon()
    this.#queue.length = 0
    this.#late = []
  }

  readonly #settle = (entry: Entry, now: boolean): void => {
    if (this.#closed) return
    if (now) this.#loseTurn(entry)
    else this.#heldCharacters += entry.answer?.length ?? 0
    if (this.#late.includes(entry)) {
      if (entry.answer === undefined) return
      this.#late = this.#late.filter(each => each !== entry)
      this.#send(entry)
    } else this.#sendReady()
    this.#options.onSettled()
  }

  #loseTurn(entry: Entry): void {
    const at = this.#queue.indexOf(entry)
    if (at < 0) return
    this.#queue.splice(at, 1)
    this.#late.push(entry)
  }

  #sendReady(): void {
    while (this.#queue[0]?.answer !== undefined) {
      const entry = this.#queue.shift()
      if (entry) this.#send(entry)
    }
  }

  #send(entry: Entry): void {
    if (entry.answer !== undefined) {
      this.#heldCharacters -= entry.answer.length
      this.#options.send(entry.answer)
    }
    entry.sent?.()
  }

  /** One timer for all: it is not stopped when everything is answered, it finds nothing and is not set again. */
  #arm(): void {
    if (this.#timer || this.#closed) return
    this.#timer = setTimeout(this.#onTimer, Math.min(this.#options.overtakeMs, this.#options.deadlineMs))
    this.#timer.unref()
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined
    const now = performance.now()
    for (const entry of [...this.#late, ...this.#queue]) {
      const age = now - entry.openedAt
      if (entry.answer !== undefined) continue
      if (age >= this.#options.deadlineMs) {
        entry.finish(errorReply(entry.id, wireErrors.internal))
        this.#options.onLate?.(wireErrors.internal.code)
        entry.abandon()
      } else if (age >= this.#options.overtakeMs) this.#loseTurn(entry)
    }
    this.#sendReady()
    if (this.size > 0) this.#arm()
  }
}

class Entry implements Pending {
  readonly id: number
  readonly openedAt = performance.now()
  readonly #settled: (entry: Entry, now: boolean) => void
  answer: string | undefined
  sent: (() => void) | undefined
  abandoned = false
  #reject: ((error: Error) => void) | undefined

  constructor(id: number, settled: (entry: Entry, now: boolean) => void) {
    this.id = id
    this.#settled = settled
  }

  within<T>(promise: Promise<T>): Promise<T> {
    if (this.abandoned) {
      promise.catch(() => undefined)
      return Promise.reject(this.#timeout())
    }
    return new Promise((resolve, reject) => {
      this.#reject = reject
      promise.then(resolve, reject)
    })
  }

  finish(line: string, sent?: () => void): void {
    if (this.abandoned || this.answer !== undefined) return
    this.answer = line
    this.sent = sent
    this.#settled(this, false)
  }

  overtake(): void {
    if (!this.abandoned) this.#settled(this, true)
  }

  abandon(): void {
    this.abandoned = true
    this.#reject?.(this.#timeout())
  }

  #timeout(): HoldfastError {
    return new HoldfastError('DEPENDENCY_TIMEOUT', 'the command took too long or its session has ended')
  }
}
