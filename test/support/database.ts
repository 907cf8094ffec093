import { randomBytes } from 'node:crypto'
import { connectPostgres } from '../../src/platform/index.ts'

export interface FreshDatabase {
  readonly url: string
  /** Cuts whoever is still connected, and removes the database. */
  drop(): Promise<void>
}

/** An empty database of its own on the server of `serverUrl` (a superuser's connection string). */
export async function freshDatabase(serverUrl: string): Promise<FreshDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  await asAdmin(serverUrl, `create database ${name}`)
  return { url: url.href, drop: () => asAdmin(serverUrl, `drop database if exists ${name} with (force)`) }
}

async function asAdmin(serverUrl: string, statement: string): Promise<void> {
  const sql = connectPostgres(serverUrl, { max: 1, applicationName: 'holdfast-test' })
  try {
    await sql.unsafe(statement)
  } finally {
    await sql.end({ timeout: 1 })
  }
}
