import { CommanderError } from 'commander'
import { HoldfastError } from '../domain/index.ts'
import { CliError } from './cli-error.ts'

/** Says on standard error what went wrong and what to do about it, without a stack trace. */
export function report(error: unknown): void {
  // commander has said it already.
  if (error instanceof CommanderError) return
  const { message, remedy } = explain(error)
  console.error(`holdfast: ${message}`)
  if (remedy) console.error(`  → ${remedy}`)
  if (process.env['HOLDFAST_DEBUG'] && error instanceof Error) console.error(error.stack)
}

/** 1: it did not work. 2: the command or the configuration was not understood. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof CliError) return error.exitCode
  return error instanceof HoldfastError && error.code === 'CONFIG_INVALID' ? 2 : 1
}

function explain(error: unknown): { message: string; remedy?: string | undefined } {
  if (error instanceof CliError) return error
  if (error instanceof HoldfastError) return { message: error.message, remedy: remedies[error.remedy] }
  const { code, address, port } = (error ?? {}) as NodeJS.ErrnoException & { address?: string; port?: number }
  const place = port === undefined ? '' : ` ${address ?? ''}:${port}`
  if (code === 'ECONNREFUSED')
    return { message: `nothing answers at${place}`, remedy: 'is it running, and is the address right?' }
  if (code === 'EADDRINUSE')
    return { message: `port${place} is in use`, remedy: 'choose another with HOLDFAST_PORT' }
  const message = error instanceof Error ? error.message || error.name : String(error)
  return {
    message,
    remedy: process.env['HOLDFAST_DEBUG'] ? undefined : 'HOLDFAST_DEBUG=1 shows where this happened',
  }
}

const remedies: Record<HoldfastError['remedy'], string | undefined> = {
  fix_request: undefined,
  sign_in: 'give a valid token with --token (holdfast token makes one)',
  retry_later: 'this may pass: try again',
  resync: undefined,
  none: undefined,
}
