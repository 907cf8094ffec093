import { HoldfastError } from '../../domain/index.ts'

/** The code that Postgres gave, also where the driver's error is the cause of one of ours. */
export function sqlState(error: unknown): string {
  if (error instanceof HoldfastError) return error.cause === undefined ? '' : sqlState(error.cause)
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}
