import { HoldfastError } from '../domain/index.ts'

/**
 * Runs a hook of the application with a deadline, so that foreign code hangs no socket. A `HoldfastError` is the
 * hook's own answer and passes through; whatever else it throws is a fault of the application, which denies for
 * now and is not told to clients. The hook itself cannot be stopped: its late result is dropped.
 * @throws HoldfastError DEPENDENCY_TIMEOUT, DEPENDENCY_FAILED, or the hook's own
 */
export async function callHook<T>(name: string, timeoutMs: number, call: () => T): Promise<Awaited<T>> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new HoldfastError('DEPENDENCY_TIMEOUT', `the ${name} hook took longer than ${timeoutMs} ms`))
    }, timeoutMs)
  })
  try {
    return await Promise.race([Promise.resolve().then(call), deadline])
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause
    throw new HoldfastError('DEPENDENCY_FAILED', `the ${name} hook failed`, { cause })
  } finally {
    clearTimeout(timer)
  }
}
