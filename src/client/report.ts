import type { ErrorContext } from './types.ts'

export type Report = (error: unknown, context: ErrorContext) => void

/**
 * Where errors go that nobody awaits. Without a listener of the application the first of each kind is written to
 * the console: never silent, and no flood when each of many events fails alike. Never throws.
 */
export function reporter(onError: Report | undefined, fallback?: Report): Report {
  if (!onError && fallback) return fallback
  const told = new Set<string>()
  return (error, context) => {
    if (onError) {
      try {
        onError(error, context)
        return
      } catch (thrown) {
        // biome-ignore lint/suspicious/noConsole: the last place for an error that nobody takes
        console.error('holdfast: onError threw', thrown)
      }
    }
    if (told.has(context.kind)) return
    told.add(context.kind)
    const where = 'channel' in context ? ` in ${context.channel}` : ''
    // biome-ignore lint/suspicious/noConsole: an error without a listener must not be silent
    console.error(`holdfast: ${context.kind}${where} (further ones only go to the option onError)`, error)
  }
}

/** Runs the application's listeners: what they throw is reported, also through the promise they return. */
export function guard(report: Report): (listener: () => unknown) => void {
  const failed = (error: unknown) => report(error, { kind: 'listener' })
  return listener => {
    try {
      const returned = listener()
      if (returned instanceof Promise) returned.catch(failed)
    } catch (error) {
      failed(error)
    }
  }
}
