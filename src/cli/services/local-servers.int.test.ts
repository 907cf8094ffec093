import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { until } from '../../../test/support/until.ts'
import { connectPostgres } from '../../platform/index.ts'
import { startLocalPostgres } from './local-postgres.ts'
import { startLocalRedis } from './local-redis.ts'
import { processMark } from './process-mark.ts'

const here = (file: string) => JSON.stringify(new URL(file, import.meta.url).href)

/** Runs `code` in a Node of its own, kills that without warning and returns the address it has printed. */
async function startAndKill(code: string): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', `${code}; setInterval(() => {}, 1000)`])
  const [address] = await once(createInterface({ input: child.stdout }), 'line')
  child.kill('SIGKILL')
  await once(child, 'exit')
  return address as string
}

function answers(address: string): Promise<boolean> {
  const { hostname, port } = new URL(address)
  return new Promise(resolve => {
    const socket = connect(Number(port), hostname)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

describe('a Redis of our own', () => {
  it('ends when the process that started it is killed', async () => {
    const server = JSON.stringify(inject('redisServer'))
    const address = await startAndKill(
      `import { startLocalRedis } from ${here('./local-redis.ts')}; console.log((await startLocalRedis({ server: ${server} })).url)`,
    )
    await until('it is gone', async () => !(await answers(address)))
  })

  it('says why it does not start', async () => {
    const start = startLocalRedis({ server: inject('redisServer'), flags: ['--no-such-option', 'x'] })
    await expect(start).rejects.toThrow(/ended \(1\):[\s\S]*no-such-option/)
  })
})

describe('a Postgres of our own', () => {
  let base: string
  let directory: string

  beforeEach(async () => {
    base = await mkdtemp(join(tmpdir(), 'holdfast-local-'))
    directory = join(base, 'data')
  })
  afterEach(() => rm(base, { recursive: true, force: true }))

  it('takes up its data again, also where a pid file of a past life names a process of somebody else', async () => {
    const first = await startLocalPostgres({ directory })
    const sql = connectPostgres(first.url, { max: 1, applicationName: 'test' })
    await sql`create table kept as select 42 as answer`
    await sql.end()
    await first.stop()
    await writeFile(join(first.directory, 'postmaster.pid'), `${process.pid}\n${directory}\n`)
    const second = await startLocalPostgres({ directory })
    const again = connectPostgres(second.url, { max: 1, applicationName: 'test' })
    expect(await again`select answer from kept`).toEqual([{ answer: 42 }])
    await again.end()
    await second.stop()
  })

  it('ends when the process that started it is killed, and the next start waits for that end', async () => {
    const address = await startAndKill(
      `import { startLocalPostgres } from ${here('./local-postgres.ts')}; console.log((await startLocalPostgres({ directory: ${JSON.stringify(directory)} })).url)`,
    )
    const next = await startLocalPostgres({ directory })
    expect(next.url).not.toBe(address)
    await until('the first is gone', async () => !(await answers(address)))
    const pid = Number.parseInt(await readFile(join(next.directory, 'postmaster.pid'), 'utf8'), 10)
    expect(pid).toBe(next.process.pid)
    await next.stop()
    expect(processMark(pid)).toBeUndefined()
  })

  it('waits for the sessions of a killed one before it takes up their data', async () => {
    const first = await startLocalPostgres({ directory })
    const sql = connectPostgres(first.url, { max: 1, applicationName: 'test' })
    await sql`create table busy ()`
    const looking = connectPostgres(first.url, { max: 1, applicationName: 'test' })
    await looking`select 1`
    const busy = sql`do $$ declare started timestamptz := clock_timestamp();
      begin while clock_timestamp() < started + interval '3 seconds' loop null; end loop; end $$`.catch(
      () => undefined,
    )
    await until('it is busy', async () => {
      const rows =
        await looking`select 1 from pg_stat_activity where state = 'active' and query like 'do $$%'`
      return rows.length > 0
    })
    first.process.kill('SIGKILL')
    const second = await startLocalPostgres({ directory: first.directory })
    await busy
    await Promise.all([sql, looking].map(each => each.end({ timeout: 1 })))
    await second.stop()
  })

  it('leaves the data of another major version alone and says so', async () => {
    const first = await startLocalPostgres({ directory })
    await first.stop()
    await writeFile(join(first.directory, 'PG_VERSION'), '12\n')
    await expect(startLocalPostgres({ directory })).rejects.toThrow(
      /data of Postgres 12, and this is Postgres \d+/,
    )
  })
})
