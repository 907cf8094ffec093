import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
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
  const child = spawn(
    options.server,
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...(options.flags ?? [])],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let output = ''
  await new Promise<void>((resolve, reject) => {
    const look = (chunk: Buffer) => {
      output += chunk.toString()
      if (/ready to accept connections/i.test(output)) resolve()
    }
    child.stdout.on('data', look)
    child.stderr.on('data', look)
    child.once('error', reject)
    child.once('exit', code => reject(new Error(`${options.server} ended with code ${code}:\n${output.slice(-2_000)}`)))
  })
  child.stdout.removeAllListeners('data').resume()
  child.stderr.removeAllListeners('data').resume()
  return {
    url: `redis://127.0.0.1:${port}`,
    process: child,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}
