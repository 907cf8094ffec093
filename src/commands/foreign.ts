import { HoldfastError } from '../domain/index.ts'

/**
 * Waits for the application's own code, and no longer than it may take: it must not hold up a channel. It cannot be
 * stopped; what it answers late is dropped.
 * @throws HoldfastError DEPENDENCY_TIMEOUT, DEPENDENCY_FAILED, or its own
 */
export async function inTime<T>(what: string, timeoutMs: number, call: () => T): Promise<Awaited<T>> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new HoldfastError('DEPENDENCY_TIMEOUT', `${what} took longer than ${timeoutMs} ms`)),
      timeoutMs,
    )
  })
  try {
    return await Promise.race([Promise.resolve().then(call), late])
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause
    throw new HoldfastError('DEPENDENCY_FAILED', `${what} has failed`, { cause })
  } finally {
    clearTimeout(timer)
  }
}
