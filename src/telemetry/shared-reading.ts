import { setTimeout as delay } from 'node:timers/promises'

export interface SharedReadingOptions {
  /** Who asks for the metrics again and again must not keep Postgres busy: a value is handed on for so long. */
  readonly sharedMs: number
  /** Nobody waits longer for a reading; it goes on, and whoever asks next may have it. */
  readonly waitMs: number
  /** Where a reading takes longer than that every time, the one before it is still handed on, if it is no older. */
  readonly staleMs: number
  /** After a failure nothing is asked for so long: a dependency that is away is not asked by everybody who looks. */
  readonly restMs: number
}

const defaults: SharedReadingOptions = { sharedMs: 5_000, waitMs: 1_000, staleMs: 20_000, restMs: 2_000 }

/**
 * One reading for all who ask within some seconds, and one at a time. A dependency that hangs costs a reading its values
 * and neither holds up nor collects those who ask.
 * @throws what `read` throws, and an Error where it does not answer in time
 */
export function sharedReading<T>(
  read: () => Promise<T>,
  options: Partial<SharedReadingOptions> = {},
): () => Promise<T> {
  const { sharedMs, waitMs, staleMs, restMs } = { ...defaults, ...options }
  let last: { readonly value: T; readonly at: number } | undefined
  let failure: { readonly error: unknown; readonly at: number } | undefined
  let flight: { readonly reading: Promise<T>; readonly since: number } | undefined

  async function begin(): Promise<T> {
    try {
      const value = await read()
      last = { value, at: performance.now() }
      failure = undefined
      return value
    } catch (error) {
      failure = { error, at: performance.now() }
      throw error
    } finally {
      flight = undefined
    }
  }

  /** At most until the reading has taken `waitMs`, whoever began it. */
  async function inTime({ reading, since }: NonNullable<typeof flight>): Promise<T> {
    const waiting = new AbortController()
    const rest = Math.max(0, since + waitMs - performance.now())
    const late = delay(rest, undefined, { signal: waiting.signal }).then(() => {
      if (last && performance.now() - last.at < staleMs) return last.value
      throw new Error(`no answer for ${waitMs} ms`)
    })
    try {
      return await Promise.race([reading, late])
    } finally {
      late.catch(() => undefined)
      waiting.abort()
    }
  }

  return async () => {
    const now = performance.now()
    if (last && now - last.at < sharedMs) return last.value
    if (!flight && failure && now - failure.at < restMs) throw failure.error
    if (!flight) {
      flight = { reading: begin(), since: now }
      // Whoever has stopped waiting does not hear of its end.
      flight.reading.catch(() => undefined)
    }
    return inTime(flight)
  }
}
