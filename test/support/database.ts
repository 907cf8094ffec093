import { randomBytes } from 'node:crypto'
import { migrate } from '../../src/durable/index.ts'
import { connectPostgres, type Sql } from '../../src/platform/index.ts'

export interface FreshDatabase {
  readonly url: string
  /** Cuts whoever is still connected, and removes the database. */
  drop(): Promise<void>
}

/** An empty database of its own on the server of `serverUrl` (a superuser's connection string). */
export async function freshDatabase(serverUrl: string): Promise<FreshDatabase> {
  return asAdmin(serverUrl, sql => create(serverUrl, sql))
}

const migrated = 'test_migrated'
/** Of those who copy what is migrated: the first one makes it, the others wait. */
const lock = 7_310_552

/** A database of its own with an empty ledger, copied from the run's first one: migrations take longer than a copy. */
export async function migratedDatabase(serverUrl: string): Promise<FreshDatabase> {
  const database = await asAdmin(serverUrl, async sql => {
    await sql`select pg_advisory_lock(${lock})`
    const [there] = await sql`select from pg_database where datname = ${migrated}`
    if (!there) {
      const first = await create(serverUrl, sql)
      await migrate(first.url)
      // Under its name it is whole.
      await sql.unsafe(`alter database ${new URL(first.url).pathname.slice(1)} rename to ${migrated}`)
    }
    await sql`select pg_advisory_unlock(${lock})`
    return create(serverUrl, sql, `template ${migrated}`)
  })
  // No two ledgers have one epoch, by which also their keys in Redis are told apart.
  await asAdmin(database.url, async sql => {
    await sql`set session_replication_role = replica`
    await sql`update holdfast.ledger set epoch = left(replace(gen_random_uuid()::text, '-', ''), 12)`
  })
  return database
}

async function create(serverUrl: string, sql: Sql, from = ''): Promise<FreshDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  await sql.unsafe(`create database ${name} ${from}`)
  const drop = `drop database if exists ${name} with (force)`
  return { url: url.href, drop: () => asAdmin(serverUrl, async admin => void (await admin.unsafe(drop))) }
}

async function asAdmin<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = connectPostgres(url, { max: 1, applicationName: 'holdfast-test' })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 1 })
  }
}
