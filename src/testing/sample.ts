/** A channel of a pattern: its parameters stand for themselves. */
export function sampleChannel(pattern: string): string {
  return pattern.replace(/\{(\w+)\}/g, '$1').replace(/\*$/, 'any')
}

/** The same id for the same number. */
export function idOf(n: number): string {
  return `00000000-0000-5000-8000-${String(n).padStart(12, '0')}`
}

/** As it comes back from the ledger: what JSON does not say is gone. */
export function plain<T>(value: T): T {
  return value === undefined ? value : JSON.parse(JSON.stringify(value))
}

/** Whoever changes it, throws. Bytes stay as they are: they can't be frozen. */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  if (ArrayBuffer.isView(value)) return value
  Object.freeze(value)
  for (const each of Object.values(value)) frozen(each)
  return value
}
