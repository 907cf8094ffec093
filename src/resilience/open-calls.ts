import type { Clock } from './clock.ts'

/** A call without an answer so far. */
export interface OpenCall {
  readonly startedAt: number
  /** `slow`: later than usual; `missed`: its caller has been told, and an answer is only a sign of life. */
  stage: 'young' | 'slow' | 'missed'
  readonly onMissed: () => void
  previous: OpenCall | undefined
  next: OpenCall | undefined
}

/** In the order of their beginning. */
class Line {
  first: OpenCall | undefined
  last: OpenCall | undefined

  push(call: OpenCall): void {
    call.previous = this.last
    call.next = undefined
    if (this.last) this.last.next = call
    else this.first = call
    this.last = call
  }

  remove(call: OpenCall): void {
    if (call.previous) call.previous.next = call.next
    else this.first = call.next
    if (call.next) call.next.previous = call.previous
    else this.last = call.previous
  }
}

/**
 * Watches over calls with the same two limits. They end in about the order in which they began, so one timer for
 * the oldest does; a timer for each call costs more than all the rest of a guard.
 */
export class OpenCalls {
  readonly #clock: Clock
  readonly #slowMs: number
  readonly #deadlineMs: number
  readonly #onSlow: () => void
  readonly #onLook: () => void
  readonly #young = new Line()
  readonly #slow = new Line()
  #cancelTimer: (() => void) | undefined

  constructor(options: {
    clock: Clock
    slowMs: number
    deadlineMs: number
    onSlow: () => void
    onLook: () => void
  }) {
    this.#clock = options.clock
    this.#slowMs = Math.min(options.slowMs, options.deadlineMs)
    this.#deadlineMs = options.deadlineMs
    this.#onSlow = options.onSlow
    this.#onLook = options.onLook
  }

  begin(onMissed: () => void): OpenCall {
    const startedAt = this.#clock.now()
    const call: OpenCall = { startedAt, stage: 'young', onMissed, previous: undefined, next: undefined }
    this.#young.push(call)
    if (!this.#cancelTimer) this.#arm(this.#slowMs)
    return call
  }

  end(call: OpenCall): void {
    if (call.stage === 'young') this.#young.remove(call)
    else if (call.stage === 'slow') this.#slow.remove(call)
  }

  #arm(ms: number): void {
    this.#cancelTimer = this.#clock.after(Math.max(1, Math.ceil(ms)), () => {
      const due = this.#clock.now()
      this.#clock.afterReading(() => {
        this.#cancelTimer = undefined
        this.#onLook()
        this.#look(due)
        this.#armForNext()
      })
    })
  }

  #armForNext(): void {
    if (this.#cancelTimer) return
    const { first: young } = this.#young
    const { first: slow } = this.#slow
    if (!young && !slow) return
    const slowAt = young ? young.startedAt + this.#slowMs : Number.POSITIVE_INFINITY
    const missedAt = slow ? slow.startedAt + this.#deadlineMs : Number.POSITIVE_INFINITY
    this.#arm(Math.min(slowAt, missedAt) - this.#clock.now())
  }

  /** A timer may fire a fraction of a millisecond early. */
  #look(due: number): void {
    for (
      let call = this.#young.first;
      call && call.startedAt + this.#slowMs <= due + 1;
      call = this.#young.first
    ) {
      this.#young.remove(call)
      call.stage = 'slow'
      this.#slow.push(call)
      if (this.#slowMs < this.#deadlineMs) this.#onSlow()
    }
    for (
      let call = this.#slow.first;
      call && call.startedAt + this.#deadlineMs <= due + 1;
      call = this.#slow.first
    ) {
      this.#slow.remove(call)
      call.stage = 'missed'
      call.onMissed()
    }
  }
}
