import { z } from 'zod'
import { HoldfastError } from '../../domain/index.ts'
import { sliceAt } from '../../protocol/index.ts'

/** The parameters of one API call, and the text they came in. */
export interface ApiRequest {
  readonly params: unknown
  /** The text of a parameter as it came, so that the application's JSON is passed on untouched. */
  raw(name: string): string | undefined
  /** Whether nobody waits for the answer any more. */
  abandoned(): boolean
  /** The caller's `traceparent`, if it is one. */
  readonly traceparent?: string | undefined
}

const maxReportedIssues = 5

/**
 * Reads a request body: JSON in UTF-8, an object. An empty one stands for no parameters.
 * @param inside where the parameters are: `['params']` for `{"method":…,"params":…}`
 * @throws HoldfastError REQUEST_INVALID
 */
export function readRequest(
  body: unknown,
  inside: readonly string[] = [],
  abandoned: () => boolean = () => false,
  traceparent?: string,
): ApiRequest {
  const text = decode(body)
  const params = inside.reduce<unknown>(
    (value, key) => (isObject(value) && Object.hasOwn(value, key) ? value[key] : {}),
    parse(text),
  )
  if (!isObject(params))
    throw new HoldfastError('REQUEST_INVALID', `${inside.at(-1) ?? 'body'}: expected an object`)
  return { params, raw: name => sliceAt(text, [...inside, name]), abandoned, traceparent }
}

function decode(body: unknown): string {
  if (!(body instanceof Uint8Array) || body.length === 0) return '{}'
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch (cause) {
    throw new HoldfastError('REQUEST_INVALID', 'body: expected UTF-8', { cause })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new HoldfastError('REQUEST_INVALID', `body: expected JSON (${(cause as Error).message})`, { cause })
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @throws HoldfastError REQUEST_INVALID naming each field that is wrong, and how */
export function check<T>(schema: z.ZodType<T>, request: ApiRequest): T {
  const result = schema.safeParse(request.params)
  if (result.success) return result.data
  const issues = result.error.issues
    .slice(0, maxReportedIssues)
    .map(issue => (issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message))
  throw new HoldfastError('REQUEST_INVALID', issues.join('; '))
}

/** A field that may be missing; as in the reference server, `null` is the same as missing. */
export function optional<T>(schema: z.ZodType<T>): z.ZodType<T | undefined> {
  return schema.nullish().transform(value => value ?? undefined)
}

/** A name that addresses something; libraries send the empty string for "not given". */
export const optionalName = z
  .string()
  .nullish()
  .transform(value => value || undefined)

/**
 * An application's JSON out of `<name>` (as it stands in the body) or `b64<name>`; undefined where neither is given.
 * @throws HoldfastError REQUEST_INVALID
 */
export function jsonText(request: ApiRequest, name: 'data' | 'info'): string | undefined {
  const raw = request.raw(name)
  if (raw !== undefined) return onOneLine(raw)
  const encoded = request.raw(`b64${name}`)
  if (encoded === undefined || encoded === 'null') return undefined
  try {
    const text = Buffer.from(z.base64().parse(JSON.parse(encoded)), 'base64')
    const json = new TextDecoder('utf-8', { fatal: true }).decode(text)
    JSON.parse(json)
    return onOneLine(json)
  } catch (cause) {
    throw new HoldfastError('REQUEST_INVALID', `b64${name}: expected JSON in base64`, { cause })
  }
}

/**
 * Messages are lines on the wire. Inside JSON a line break can only stand between tokens, where leaving it out
 * changes nothing.
 */
function onOneLine(json: string): string {
  return json.replace(/[\r\n]+/g, '')
}

/** @throws HoldfastError REQUEST_INVALID */
export function requiredData(request: ApiRequest): string {
  const data = jsonText(request, 'data')
  if (data === undefined)
    throw new HoldfastError('REQUEST_INVALID', 'data: expected a JSON value, got nothing')
  return data
}
