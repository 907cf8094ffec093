/** Waits until `condition` is true (or returns something), looking again shortly; fails with `what` at the limit. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  limitMs = 30_000,
): Promise<NonNullable<T>> {
  const end = Date.now() + limitMs
  // Most conditions come true at once or after long: soon looked at again at first, and seldom enough then.
  for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, 15)) {
    const value = await condition()
    if (value) return value as NonNullable<T>
    if (Date.now() > end) throw new Error(`waited ${limitMs} ms in vain until ${what}`)
    await new Promise(resolve => setTimeout(resolve, pauseMs))
  }
}
