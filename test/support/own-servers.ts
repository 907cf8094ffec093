import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import { startLocalPostgres } from '../../src/cli/services/local-postgres.ts'
import { startLocalRedis } from '../../src/cli/services/local-redis.ts'
import { family, signal } from '../bootstrap/processes.ts'

/** A server of a test's own, at an address that stays, to which everything may be done. */
export interface OwnServer {
  readonly url: string
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>
  /** After `kill`. A Redis comes back empty, a Postgres with its data. */
  startAgain(): Promise<void>
  /** SIGSTOP to it and to its sessions: it answers nothing, and no connection ends. */
  hang(): void
  goOn(): void
  stop(): Promise<void>
}

export function ownRedis(): Promise<OwnServer> {
  const server = inject('redisServer')
  return own(port => startLocalRedis({ server, ...(port !== undefined && { port }) }))
}

/** By default for several nodes of one test, each with some two dozen connections, and those of pools that are being replaced beside them. */
export async function ownPostgres(maxConnections = 300): Promise<OwnServer> {
  const flags = ['-c', `max_connections=${maxConnections}`]
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-pg-'))
  let directory = join(folder, 'data')
  const postgres = await own(async port => {
    const started = await startLocalPostgres({ directory, flags, ...(port !== undefined && { port }) })
    directory = started.directory
    return started
  })
  return {
    ...postgres,
    async stop() {
      await postgres.stop()
      for (const each of [folder, directory]) await rm(each, patiently)
    },
  }
}

/** A server's last process may write for a moment after the first one has ended. */
const patiently = { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }

type Started = Awaited<ReturnType<typeof startLocalRedis>>

async function own(start: (port?: number) => Promise<Started>): Promise<OwnServer> {
  let server = await start()
  let hung: readonly number[] = []
  const goOn = () => {
    for (const pid of hung) signal(pid, 'SIGCONT')
    hung = []
  }
  return {
    url: server.url,
    async kill() {
      const ended = once(server.process, 'exit')
      server.process.kill('SIGKILL')
      await ended
    },
    async startAgain() {
      server = await start(Number(new URL(server.url).port))
    },
    hang() {
      const pid = server.process.pid ?? 0
      hung = process.platform === 'linux' ? family(pid).map(each => each.pid) : [pid]
      for (const pid of hung) signal(pid, 'SIGSTOP')
    },
    goOn,
    async stop() {
      goOn()
      await server.stop()
    },
  }
}
