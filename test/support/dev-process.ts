import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'
import { freshDatabase } from './database.ts'

const bin = fileURLToPath(new URL('../../bin/holdfast', import.meta.url))

export interface DevProcess {
  /** Where a browser finds the two nodes. */
  readonly nodes: readonly [string, string]
  /** What it has printed. */
  output(): string
  stop(): Promise<void>
}

/** `holdfast dev` as `npm start` runs it, over a database of the run's Postgres and a Redis of its own. */
export async function startDev(env: Record<string, string> = {}): Promise<DevProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-dev-'))
  const database = await freshDatabase(inject('postgresUrl'))
  const { REDIS_URL: _, ...inherited } = process.env
  const child = spawn(process.execPath, [bin, 'dev', '--folder', folder], {
    env: { ...inherited, DATABASE_URL: database.url, HOLDFAST_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit')
  let output = ''
  const nodes = await new Promise<[string, string]>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-20_000)
        const told = /nodes +(http:\/\/localhost:\d+) and (http:\/\/localhost:\d+)/.exec(output)
        if (told) resolve([told[1] ?? '', told[2] ?? ''])
      })
    }
    child.once('exit', code => reject(new Error(`dev ended with code ${code}:\n${output}`)))
  })
  return {
    nodes,
    output: () => output,
    async stop() {
      child.kill('SIGTERM')
      await ended
      await database.drop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
