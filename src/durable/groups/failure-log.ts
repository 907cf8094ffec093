import type { Logger } from '../../platform/index.ts'
import type { Failure } from './failure.ts'
import type { TurnItem } from './handler-call.ts'

/** A handler that fails for every event must not fill the disk. */
const quietMs = 1_000

/** Tells operators of handlers that fail: one line a second, with the number of those that had none. */
export class FailureLog {
  readonly #logger: Logger
  #toldAt = Number.NEGATIVE_INFINITY
  #untold = 0

  constructor(logger: Logger) {
    this.#logger = logger
  }

  tell({ event, attempt }: TurnItem, failure: Failure): void {
    const now = performance.now()
    if (now - this.#toldAt < quietMs) {
      this.#untold++
      return
    }
    const { channel, offset, type } = event
    const more = this.#untold > 0 ? { unmentioned: this.#untold } : {}
    this.#logger.warn(
      { channel, offset, type, attempt, reason: failure.reason, ...more },
      failure.kind === 'park' ? 'a handler’s event was parked' : 'a handler’s event will be tried again',
    )
    this.#toldAt = now
    this.#untold = 0
  }
}
