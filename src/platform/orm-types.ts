import type postgres from 'postgres'

const json = [114, 3802]
/** date, time, timestamp and timestamptz. */
const times = [1082, 1083, 1114, 1184]
/** The arrays of json, jsonb, int2, int4, text, char, varchar, int8, real, double, numeric, uuid, interval and the times. */
const arrays = [
  199, 3807, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1231, 2951, 1187, 1182, 1183, 1115, 1185,
]

/**
 * How values pass between Postgres and drizzle, whose columns translate from text: every kind survives a round trip. A
 * driver that parses JSON first makes a number of the text "1", and one that parses int8 loses digits.
 */
export const ormTypes = {
  bigint: { to: 20, from: [20], parse: wholeNumber, serialize: String },
  json: { to: 114, from: json, parse: asItIs, serialize: jsonText },
  ...Object.fromEntries(
    times.map(oid => [`time${oid}`, { to: oid, from: [oid], parse: asItIs, serialize: timeText }]),
  ),
  // drizzle's own parser of arrays loses backslashes, and takes NULL for a text.
  arrays: { to: 1009, from: arrays, parse: (text: string) => parsedArray(text, asItIs) },
  booleans: { to: 1000, from: [1000], parse: (text: string) => parsedArray(text, one => one === 't') },
} as unknown as Record<string, postgres.PostgresType>

function asItIs<T>(value: T): T {
  return value
}

/** Both of drizzle's modes take either. */
function wholeNumber(text: string): number | string {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : text
}

/** Text is JSON already: drizzle makes it, and so has everybody else who writes through such a connection. */
function jsonText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function timeText(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value)
}

type Parsed<T> = (T | null | Parsed<T>)[]

/** What Postgres writes for an array, without bounds of its own. */
function parsedArray<T>(text: string, element: (text: string) => T): Parsed<T> | string {
  if (!text.startsWith('{')) return text
  const stack: Parsed<T>[] = [[]]
  const token = /[{}]|"((?:[^"\\]|\\.)*)"|([^{},"]+)/gs
  for (const [all, quoted, plain] of text.matchAll(token)) {
    const innermost = stack.at(-1) ?? []
    if (all === '{') stack.push([])
    else if (all === '}') stack.at(-2)?.push(stack.pop() ?? [])
    else if (plain === 'NULL') innermost.push(null)
    else innermost.push(element(plain ?? (quoted ?? '').replace(/\\(.)/gs, '$1')))
  }
  return stack[0]?.[0] as Parsed<T>
}
