import { HoldfastError } from '../../domain/index.ts'

/** A thrown error of the driver as Holdfast's own, with the original as its cause; no password is in it. */
export function postgresError(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error
  const code = codeOf(error)
  const message = error instanceof Error ? error.message : String(error)
  const timedOut = code === '57014' || code === '55P03' || code === 'CONNECT_TIMEOUT'
  return new HoldfastError(
    timedOut ? 'DEPENDENCY_TIMEOUT' : 'DEPENDENCY_FAILED',
    `Postgres: ${message || code}`,
    {
      cause: error,
      details: { postgres: code },
    },
  )
}

/** The epoch that the ledger has, where an append failed because the caller believed in another one. */
export function otherEpoch(error: HoldfastError): string | undefined {
  const { cause } = error
  if (codeOf(cause) !== 'HF001' || typeof cause !== 'object' || cause === null || !('detail' in cause))
    return undefined
  return typeof cause.detail === 'string' ? cause.detail : undefined
}

/** Something in an event itself (data exceptions, constraints, sizes): repeating does not help, and others suffer. */
export function isAboutContent(error: HoldfastError): boolean {
  const code = codeOf(error.cause)
  // A number that is taken already is nobody's content: somebody has written past holdfast.append.
  return /^(22|23|54)[0-9A-Z]{3}$/.test(code) && code !== '23505'
}

/** The database refuses the statement as such (privileges, missing functions, session settings): nothing is stored. */
export function isFinal(error: HoldfastError): boolean {
  return error.code === 'LEDGER_BEHIND' || /^(42|3F|28|HF)[0-9A-Z]{3}$/.test(codeOf(error.cause))
}

/**
 * Whether a failure speaks against Postgres itself: connections that fail or are ended, a server that starts, stops or
 * has no place for another connection. What is said of a statement shows that it lives.
 */
export function blamesPostgres(error: unknown): boolean {
  const code = driverCode(error)
  return /^(08[0-9A-Z]{3}|57P\d\d|53300|E[A-Z_]{3,}|CONNECT(ION)?_[A-Z_]+)$/.test(code)
}

/** It takes no writes: it is a standby by now, or an administrator has said so. */
export function isReadOnly(error: unknown): boolean {
  return driverCode(error) === '25006'
}

/** It has no place for another connection; those that exist may work. */
export function isFull(error: unknown): boolean {
  return driverCode(error) === '53300'
}

function driverCode(error: unknown): string {
  return codeOf(error instanceof HoldfastError ? error.cause : error)
}

/** The SQLSTATE, or the driver's or the socket's code; empty where there is none. */
function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}
