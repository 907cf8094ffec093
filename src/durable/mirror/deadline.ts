import { HoldfastError } from '../../domain/index.ts'

/**
 * The promise's outcome, unless it takes longer than `ms`: a hung server raises no error of its own. What was
 * begun is not undone.
 * @throws HoldfastError DEPENDENCY_TIMEOUT
 */
export async function within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    // After a long turn timers fire before sockets are read: an answer that lies there is still in time.
    const end = () => reject(new HoldfastError('DEPENDENCY_TIMEOUT', `${what} took longer than ${ms} ms`))
    timer = setTimeout(() => setImmediate(end), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
