import { setTimeout as rest } from 'node:timers/promises'

/** Asks again and again until the answer is truthy. @throws Error after the time, with what was waited for */
export async function within<T>(
  what: string | (() => string),
  limitMs: number,
  condition: () => T | Promise<T>,
): Promise<NonNullable<T>> {
  for (const end = performance.now() + limitMs; ; ) {
    const value = await condition()
    if (value) return value
    if (performance.now() > end) {
      const missing = typeof what === 'string' ? what : what()
      throw new Error(`waited ${limitMs} ms in vain until ${missing}`)
    }
    await rest(20)
  }
}
