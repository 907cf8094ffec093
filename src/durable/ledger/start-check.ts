import { HoldfastError } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'

export interface LedgerIdentity {
  readonly epoch: string
  readonly partitions: number
  /** Names this start of this server: another server, or the same one started again, has another name. */
  readonly server: string
}

export interface ServerFacts {
  readonly server: string
  readonly fsync: string
  readonly commit: string
  readonly encoding: string
  readonly standby: boolean
  readonly migrated: boolean
}

/**
 * Reads who the ledger is, and makes sure that a commit on this server is a promise.
 * @throws HoldfastError CONFIG_INVALID naming the setting that has to change
 */
export async function checkServer(sql: Sql, allowUnsafeFsync: boolean): Promise<LedgerIdentity> {
  const facts = await readFacts(sql)
  const reason = whyUnfit(facts, allowUnsafeFsync)
  if (reason !== undefined) throw new HoldfastError('CONFIG_INVALID', reason)
  const [identity] = await sql<
    Omit<LedgerIdentity, 'server'>[]
  >`select epoch, partitions from holdfast.ledger`
  if (!identity) {
    throw new HoldfastError(
      'CONFIG_INVALID',
      'holdfast.ledger is empty: this database was not made by `holdfast migrate`',
    )
  }
  return { epoch: identity.epoch, partitions: identity.partitions, server: facts.server }
}

/** The name of a server's start, for statements. */
export function serverName(sql: Sql) {
  return sql`extract(epoch from pg_postmaster_start_time())::text`
}

export async function readFacts(sql: Sql): Promise<ServerFacts> {
  const [facts] = await sql<ServerFacts[]>`
    select ${serverName(sql)} as server, current_setting('fsync') as fsync,
           current_setting('synchronous_commit') as commit, current_setting('server_encoding') as encoding,
           pg_is_in_recovery() as standby, to_regclass('holdfast.ledger') is not null as migrated`
  if (!facts) throw new HoldfastError('DEPENDENCY_FAILED', 'Postgres said nothing about itself')
  return facts
}

/** Why a commit on this server would be no promise; undefined where it is one. */
export function whyUnfit(facts: ServerFacts, allowUnsafeFsync: boolean): string | undefined {
  if (facts.standby) return 'this Postgres is a standby; the ledger needs the primary'
  if (facts.fsync !== 'on' && !allowUnsafeFsync)
    return `this Postgres runs with fsync = ${facts.fsync} and loses acknowledged events when its machine stops; set fsync = on`
  if (facts.commit !== 'on' && facts.commit !== 'remote_apply')
    return `expected synchronous_commit = on for the ledger's sessions, got ${facts.commit}; does a pooler drop the setting?`
  if (facts.encoding !== 'UTF8') return `expected a database with encoding UTF8, got ${facts.encoding}`
  if (!facts.migrated) return 'the database has no ledger yet: run `holdfast migrate`'
  return undefined
}
