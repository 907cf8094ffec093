import type { Sql } from '../../platform/index.ts'

/** What kind of server answers. A `read-only primary` takes no writes by its settings, as providers do with a full disk. */
export type ServerKind = 'primary' | 'read-only primary' | 'standby'

/** The kind of the server on which the statement runs, to be put into it. */
export function serverKind(sql: Sql) {
  return sql`
    case when pg_is_in_recovery() then 'standby'
         when current_setting('transaction_read_only') = 'on' then 'read-only primary'
         else 'primary' end`
}
