import { execFile } from 'node:child_process'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type LocalPostgres, startLocalPostgres } from '../../src/cli/services/local-postgres.ts'

const run = promisify(execFile)

/** A Postgres that can be brought back to an earlier state, as restoring a backup of its data folder does. */
export interface RestoredPostgres {
  readonly url: string
  /** Ends it in peace, keeps a copy of what it has under this name, and starts it again. */
  keep(name: string): Promise<void>
  /** SIGKILL; its present data is kept under one name, and it starts again with what was kept under the other. */
  replace(keptAs: string, by: string): Promise<void>
  stop(): Promise<void>
}

export async function restoredPostgres(): Promise<RestoredPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-pg-'))
  let server: LocalPostgres = await startLocalPostgres({ directory: join(folder, 'data') })
  const { url, directory } = server
  const port = Number(new URL(url).port)
  const copyOf = (name: string) => `${directory}-${name}`
  const copies = new Set<string>()
  const copy = async (from: string, to: string) => {
    await run('cp', ['-a', from, to])
    copies.add(to)
  }
  const start = async () => {
    server = await startLocalPostgres({ directory, port })
  }
  return {
    url,
    async keep(name) {
      await server.stop()
      await copy(directory, copyOf(name))
      await start()
    },
    async replace(keptAs, by) {
      server.process.kill('SIGKILL')
      await server.stop()
      await rename(directory, copyOf(keptAs))
      copies.add(copyOf(keptAs))
      await copy(copyOf(by), directory)
      await start()
    },
    async stop() {
      await server.stop()
      for (const each of [folder, directory, ...copies]) await rm(each, { recursive: true, force: true })
    },
  }
}
