import { HoldfastError } from '../../domain/index.ts'
import type { CursorKey } from './types.ts'

/** Longest name of a cursor, in characters. */
const maxNameLength = 64
const validName = new RegExp(`^[A-Za-z0-9_.-]{1,${maxNameLength}}$`)
/** Part of an index entry, which Postgres bounds to a third of a page. */
const maxUserBytes = 1_024

/**
 * Refuses what the table cannot hold, before it is batched: one bad key must not fail its neighbours. Half a surrogate
 * pair would be stored as a replacement character, and make one user of two.
 * @throws HoldfastError REQUEST_INVALID
 */
export function checkKey({ user, name }: CursorKey): void {
  if (!validName.test(name)) {
    const shown = JSON.stringify(name.slice(0, maxNameLength))
    throw new HoldfastError(
      'REQUEST_INVALID',
      `expected a cursor of 1 to ${maxNameLength} characters out of A-Z a-z 0-9 _ . -, got ${shown} (${name.length})`,
    )
  }
  if (user === '' || user.includes('\0') || !user.isWellFormed() || Buffer.byteLength(user) > maxUserBytes) {
    throw new HoldfastError(
      'REQUEST_INVALID',
      `cursors need a user id of 1 to ${maxUserBytes} bytes of well-formed text without NUL`,
    )
  }
}

/** The same text for the same cursor, and no other's. */
export function keyText({ channel, user, name }: CursorKey, epoch = ''): string {
  return JSON.stringify([channel, name, user, epoch])
}
