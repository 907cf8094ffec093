import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, rmdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { until } from '../../support/until.ts'
import type { Fault, Stage } from '../types.ts'

/** Enough for the segments that a fresh cluster has, and a few more. */
const sizeMiB = 160

/**
 * The write-ahead log lies on a small disk, and that runs full: Postgres can't commit, ends in a panic, and can't
 * start either before there is room again.
 */
export const postgresDiskFull: Fault = {
  name: 'postgres-disk-full',
  about: 'the disk of the write-ahead log runs full; then there is room again, and Postgres is started',
  // It stays on the small disk.
  spoils: true,
  suits: system => system.parts.includes('postgres'),
  unavailable: whyNoMount,
  async inject(stage) {
    const disk = await moveLog(stage)
    const filler = join(disk, 'filler')
    await fill(filler)
    await breakDown(stage)
    return async () => {
      rmSync(filler)
      if (!alive(stage.postgres.pid)) await stage.postgres.startAgain()
    }
  },
}

function whyNoMount(): string | undefined {
  if (process.platform !== 'linux') return 'a small disk is made by mounting a tmpfs, on Linux'
  if (process.getuid?.() !== 0) return 'mounting a small disk needs root'
  const place = join(tmpdir(), `holdfast-chaos-mount-${process.pid}`)
  mkdirSync(place)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place], { stdio: 'pipe' })
    execFileSync('umount', [place], { stdio: 'pipe' })
    return undefined
  } catch (error) {
    return `mounting is not allowed here: ${(error as Error).message.trim().split('\n').at(-1)}`
  } finally {
    rmdirSync(place)
  }
}

/** Postgres is stopped for that, and started with its log on a disk of its own. */
async function moveLog(stage: Stage): Promise<string> {
  const { postgres: server } = stage
  const log = join(server.directory, 'pg_wal')
  const disk = join(server.directory, '..', 'small-disk')
  const { uid, gid } = statSync(log)
  await server.stop()
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'tmpfs', disk])
  stage.defer(async () => {
    await server.stop()
    execFileSync('umount', ['-l', disk])
  })
  chmodSync(disk, 0o700)
  chownSync(disk, uid, gid)
  const place = join(disk, 'pg_wal')
  execFileSync('cp', ['-a', log, place])
  rmSync(log, { recursive: true })
  symlinkSync(place, log)
  await server.startAgain()
  return disk
}

async function fill(path: string): Promise<void> {
  const file = await open(path, 'w')
  const chunk = Buffer.alloc(1_048_576)
  try {
    for (;;) await file.write(chunk)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    await file.close()
  }
}

/** Segment after segment is begun until one does not fit. */
async function breakDown({ postgres: server }: Stage): Promise<void> {
  await until('Postgres finds its disk full', async () => {
    const sql = postgres(server.directUrl, { max: 1, connect_timeout: 2, onnotice: () => undefined })
    try {
      await sql`create table if not exists pg_temp.filling (text text)`
      for (;;)
        await sql`select pg_switch_wal() from (select pg_logical_emit_message(false, 'chaos', 'x')) as written`
    } catch {
      return !(await answers(server.directUrl))
    } finally {
      await sql.end({ timeout: 0 })
    }
  })
}

async function answers(url: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, connect_timeout: 2, onnotice: () => undefined })
  try {
    await sql`select pg_logical_emit_message(true, 'chaos', 'x')`
    return true
  } catch {
    return false
  } finally {
    await sql.end({ timeout: 0 })
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
