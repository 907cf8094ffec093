import { HoldfastError } from '../domain/index.ts'
import type { CommandResult, CommandRunner } from './types.ts'

/** @throws HoldfastError NOT_AVAILABLE where there is no ledger */
export function commandsOf(commands: CommandRunner | undefined): CommandRunner {
  if (commands) return commands
  throw new HoldfastError('NOT_AVAILABLE', 'commands need Postgres, and none is configured')
}

/** The data of a `holdfast.command` reply, and the result of the API's `command`. */
export function encodeCommanded({ id, offset, epoch, events, duplicate }: CommandResult): string {
  return JSON.stringify({ id, offset, epoch, events, duplicate })
}
