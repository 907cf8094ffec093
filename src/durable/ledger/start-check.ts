import { HoldfastError } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'

export interface LedgerIdentity {
  readonly epoch: string
  readonly partitions: number
}

/**
 * Reads who the ledger is, and makes sure that a commit on this server is a promise.
 * @throws HoldfastError CONFIG_INVALID naming the setting that has to change
 */
export async function checkServer(sql: Sql, allowUnsafeFsync: boolean): Promise<LedgerIdentity> {
  const [server] = await sql<
    { fsync: string; commit: string; encoding: string; standby: boolean; migrated: boolean }[]
  >`
    select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit,
           current_setting('server_encoding') as encoding, pg_is_in_recovery() as standby,
           to_regclass('holdfast.ledger') is not null as migrated`
  if (!server) throw new HoldfastError('DEPENDENCY_FAILED', 'Postgres said nothing about itself')
  if (server.standby) {
    throw invalid('this Postgres is a standby; the ledger needs the primary')
  }
  if (server.fsync !== 'on' && !allowUnsafeFsync) {
    throw invalid(
      `this Postgres runs with fsync = ${server.fsync} and loses acknowledged events when its machine stops; set fsync = on`,
    )
  }
  if (server.commit !== 'on' && server.commit !== 'remote_apply') {
    throw invalid(
      `expected synchronous_commit = on for the ledger's sessions, got ${server.commit}; does a pooler drop the setting?`,
    )
  }
  if (server.encoding !== 'UTF8') {
    throw invalid(`expected a database with encoding UTF8, got ${server.encoding}`)
  }
  if (!server.migrated) {
    throw invalid('the database has no ledger yet: run `holdfast migrate`')
  }
  const [identity] = await sql<LedgerIdentity[]>`select epoch, partitions from holdfast.ledger`
  if (!identity) throw invalid('holdfast.ledger is empty: this database was not made by `holdfast migrate`')
  return { epoch: identity.epoch, partitions: identity.partitions }
}

function invalid(message: string): HoldfastError {
  return new HoldfastError('CONFIG_INVALID', message)
}
