/** Waits until `condition` is true (or returns something), looking again shortly; fails with `what` at the limit. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  limitMs = 15_000,
): Promise<NonNullable<T>> {
  const end = Date.now() + limitMs
  for (;;) {
    const value = await condition()
    if (value) return value as NonNullable<T>
    if (Date.now() > end) throw new Error(`waited ${limitMs} ms in vain until ${what}`)
    await new Promise(resolve => setTimeout(resolve, 15))
  }
}
