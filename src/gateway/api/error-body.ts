import type { HoldfastError } from '../../domain/index.ts'
import { wireError, wireErrors } from '../../protocol/index.ts'

/** HTTP statuses for callers that ask for them; the numbers of the reference server where it has one. */
const statuses: Readonly<Record<number, number>> = {
  101: 401,
  102: 404,
  103: 403,
  104: 404,
  109: 401,
  110: 401,
  111: 429,
  112: 416,
  113: 409,
  409: 409,
  422: 422,
  423: 423,
  424: 424,
  425: 503,
}

/** The error as JSON text. An error of our own making says no more than its code: the caller may be told, not shown. */
export function errorBody(error: HoldfastError): string {
  const wire = wireError(error)
  const silent = wire.code === wireErrors.internal.code || wire.message.includes(': ')
  const message = silent ? wire.message : `${wire.message}: ${error.message}`
  return JSON.stringify({ code: wire.code, message })
}

export function statusOf(error: HoldfastError): number {
  const { code } = wireError(error)
  return code === wireErrors.internal.code ? 500 : (statuses[code] ?? 400)
}
