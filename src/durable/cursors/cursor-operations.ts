import type { Sql } from '../../platform/index.ts'
import { type CursorLag, cursorLags } from './cursor-lags.ts'
import { type CursorFilter, type CursorPage, countCursors, listCursors } from './cursor-list.ts'
import { type CursorRemoval, removeCursors } from './cursor-removal.ts'
import { type UnreadFilter, type UnreadPage, unreadOf } from './unread.ts'

export interface CursorOperations {
  /**
   * Cursors by channel, user or name, or all of them, page by page. A name alone, or a channel without its user, reads
   * through many rows; a user alone does not.
   * @throws HoldfastError REQUEST_INVALID for a bad `after`
   */
  list(
    filter: CursorFilter,
    page: { readonly limit: number; readonly after?: string | undefined },
  ): Promise<CursorPage>
  /**
   * What a user has not read, channel by channel: events after the user's cursors, counted now.
   * @throws HoldfastError REQUEST_INVALID for a bad `after`
   */
  unread(
    filter: UnreadFilter,
    page: { readonly limit: number; readonly after?: string | undefined },
  ): Promise<UnreadPage>
  /** How many there are. */
  count(filter: CursorFilter): Promise<number>
  /**
   * Removes cursors and records who did it. Their users begin anew, or where their clients say. `step` is told after each
   * part. Returns how many there were.
   * @throws HoldfastError REQUEST_INVALID where neither channel nor user is named
   */
  remove(removal: CursorRemoval, step?: (removed: number) => void): Promise<number>
  /** For metrics: at most 200 kinds of cursors, out of at most some thousand cursors that are looked at. */
  lags(): Promise<readonly CursorLag[]>
}

/** What operators see of cursors and may do to them: statements on Postgres, whichever nodes run. */
export function cursorOperations(sql: Sql): CursorOperations {
  return {
    list: (filter, page) => listCursors(sql, filter, page),
    unread: (filter, page) => unreadOf(sql, filter, page),
    count: filter => countCursors(sql, filter),
    remove: (removal, step) => removeCursors(sql, removal, step),
    lags: () => cursorLags(sql),
  }
}
