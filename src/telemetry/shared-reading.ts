import { setTimeout as delay } from 'node:timers/promises'

/** Who asks for the metrics again and again must not keep Postgres busy. */
const sharedMs = 5_000
/** A dependency that hangs costs a reading its values, and does not collect those who ask. */
const deadlineMs = 4_000

/**
 * One reading for all who ask within some seconds, and one at a time.
 * @throws what `read` throws, and an Error where it does not answer in time
 */
export function sharedReading<T>(read: () => Promise<T>): () => Promise<T> {
  let last: { readonly value: T; readonly at: number } | undefined
  let flight: Promise<T> | undefined
  const begin = async () => {
    try {
      const value = await read()
      last = { value, at: performance.now() }
      return value
    } finally {
      flight = undefined
    }
  }
  return async () => {
    if (last && performance.now() - last.at < sharedMs) return last.value
    flight ??= begin()
    const waiting = new AbortController()
    try {
      return await Promise.race([
        flight,
        delay(deadlineMs, undefined, { signal: waiting.signal }).then(() => {
          throw new Error(`no answer for ${deadlineMs} ms`)
        }),
      ])
    } finally {
      waiting.abort()
    }
  }
}
