import type { ChildProcess } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { startChildServer } from './child-server.ts'
import { freePort } from './free-port.ts'

export interface LocalRedis {
  readonly url: string
  readonly process: ChildProcess
  stop(): Promise<void>
}

/** The first `redis-server` or `valkey-server` on the PATH. */
export function findRedisServer(path = process.env['PATH'] ?? ''): string | undefined {
  for (const name of ['redis-server', 'valkey-server']) {
    for (const directory of path.split(delimiter)) {
      const file = join(directory, name)
      try {
        accessSync(file, constants.X_OK)
        return file
      } catch {
        // not here
      }
    }
  }
  return undefined
}

/** Starts a Redis without persistence as a child on a free port; Holdfast keeps nothing in Redis that can't be lost. */
export async function startLocalRedis(options: {
  server: string
  port?: number
  flags?: readonly string[]
}): Promise<LocalRedis> {
  const port = options.port ?? (await freePort())
  // A name of its own: a Redis that was somebody's replica leaves a dump behind, and the next would load it.
  const dump = `holdfast-${process.pid}-${port}.rdb`
  const quiet = ['--save', '', '--appendonly', 'no', '--dir', tmpdir(), '--dbfilename', dump]
  const server = await startChildServer({
    file: options.server,
    args: ['--port', String(port), '--bind', '127.0.0.1', ...quiet, ...(options.flags ?? [])],
    ready: /ready to accept connections/i,
    stopSignal: 'TERM',
  })
  return { url: `redis://127.0.0.1:${port}`, process: server.process, stop: server.stop }
}
