import type { Entry } from './entry.ts'

/** Of entries that are traced, `position:traceparent` with blanks between: how the scripts take it, and tell it. */
export function tracesOf(entries: readonly Entry[]): string {
  let traces = ''
  for (const { position, trace } of entries) if (trace !== undefined) traces += `${position}:${trace} `
  return traces
}

/** By position; undefined where nothing is traced. */
export function readTraces(text: Buffer): ReadonlyMap<string, string> | undefined {
  if (text.length === 0) return undefined
  const pairs = text.toString('latin1').trimEnd().split(' ')
  return new Map(pairs.map(each => each.split(':') as [string, string]))
}
