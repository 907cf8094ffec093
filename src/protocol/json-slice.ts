/**
 * Finds the text of values inside JSON that `JSON.parse` has already accepted, so that an application's data can
 * be passed on as it came: parsing and writing it again would change numbers, spacing and escapes.
 */

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const comma = 0x2c

/**
 * The text of the value at `path`, or undefined where there is none. As with `JSON.parse`, the last of several
 * equal keys counts.
 * @param json valid JSON; anything else gives an undefined result, never an endless loop
 */
export function sliceAt(json: string, path: readonly string[]): string | undefined {
  let start = skipSpace(json, 0)
  let end = json.length
  for (const key of path) {
    const found = member(json, start, key)
    if (!found) return undefined
    start = found.start
    end = found.end
  }
  return json.slice(start, path.length === 0 ? skipValue(json, start) : end)
}

function member(json: string, objectAt: number, wanted: string): { start: number; end: number } | undefined {
  if (json.charCodeAt(objectAt) !== openBrace) return undefined
  let found: { start: number; end: number } | undefined
  let at = skipSpace(json, objectAt + 1)
  while (at < json.length && json.charCodeAt(at) === quote) {
    const keyEnd = skipString(json, at)
    const start = skipSpace(json, skipSpace(json, keyEnd) + 1)
    const end = skipValue(json, start)
    if (isKey(json, at, keyEnd, wanted)) found = { start, end }
    at = skipSpace(json, end)
    if (json.charCodeAt(at) !== comma) break
    at = skipSpace(json, at + 1)
  }
  return found
}

/** A key may be written with escapes, which only its decoded form shows. */
function isKey(json: string, from: number, to: number, wanted: string): boolean {
  if (to - from - 2 === wanted.length) return json.startsWith(wanted, from + 1)
  const text = json.slice(from, to)
  return text.includes('\\') && JSON.parse(text) === wanted
}

function skipSpace(json: string, from: number): number {
  let at = from
  for (;;) {
    const code = json.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at
    at++
  }
}

/** `from` stands on the opening quote; the result is behind the closing one. */
function skipString(json: string, from: number): number {
  let end = json.indexOf('"', from + 1)
  while (end > 0 && isEscaped(json, end)) end = json.indexOf('"', end + 1)
  return end < 0 ? json.length : end + 1
}

function isEscaped(json: string, at: number): boolean {
  let slashes = 0
  while (json.charCodeAt(at - 1 - slashes) === backslash) slashes++
  return slashes % 2 === 1
}

function skipValue(json: string, from: number): number {
  const first = json.charCodeAt(from)
  if (first === quote) return skipString(json, from)
  if (first === openBrace || first === openBracket) return skipNested(json, from)
  let at = from
  while (at < json.length && !endsScalar(json.charCodeAt(at))) at++
  return at
}

function skipNested(json: string, from: number): number {
  let depth = 0
  let at = from
  while (at < json.length) {
    const code = json.charCodeAt(at)
    if (code === quote) {
      at = skipString(json, at)
      continue
    }
    at++
    if (code === openBrace || code === openBracket) depth++
    else if ((code === closeBrace || code === closeBracket) && --depth === 0) return at
  }
  return at
}

function endsScalar(code: number): boolean {
  return code === comma || code === closeBrace || code === closeBracket || code <= 0x20
}
