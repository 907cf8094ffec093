import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { reachableTwin } from '../../src/cli/services/postgres-binaries.ts'
import { until } from '../support/until.ts'
import { family, type Known, stillRunning } from './processes.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

/** A fresh clone of the last commit in a folder that only its owner may enter, as root's home is. */
export interface Checkout {
  readonly folder: string
  /** A PATH without anything of a `node_modules`; with `redis` false also without a Redis. */
  path(options: { redis: boolean }): string
  npm(args: readonly string[], env: Record<string, string>): Running
  holdfast(args: readonly string[], env?: Record<string, string>): Promise<{ stdout: string; stderr: string }>
  remove(): Promise<void>
}

export interface Running {
  readonly process: ChildProcess
  output(): string
  /** Waits for a line; fails with the whole output where the process ends before. */
  says(what: RegExp, limitMs?: number): Promise<void>
  /** This process and all it has started. */
  family(): Known[]
  ended(limitMs?: number): Promise<number | null>
}

export async function cloneCheckout(): Promise<Checkout> {
  const base = await mkdtemp(join(tmpdir(), 'holdfast-clone-'))
  const folder = join(base, 'holdfast')
  await run('git', ['clone', '--quiet', root, folder])
  const plain = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter(each => each && !each.includes('node_modules'))
  const bare = join(base, 'bin')
  await mkdir(bare)
  for (const name of ['node', 'npm', 'npx', 'sh', 'git', 'id', 'env', 'uname']) {
    const found = plain.map(each => join(each, name)).find(existsSync)
    if (found) await symlink(found, join(bare, name))
  }
  return {
    folder,
    path: ({ redis }) => (redis ? plain.join(delimiter) : bare),
    npm: (args, env) => startNpm(folder, args, { PATH: plain.join(delimiter), ...env }),
    holdfast: (args, env = {}) =>
      run(join(folder, 'bin/holdfast'), args, {
        env: { ...clean(), PATH: plain.join(delimiter), ...env },
        timeout: 60_000,
      }),
    async remove() {
      await rm(base, { recursive: true, force: true })
      await rm(dirname(reachableTwin(join(folder, '.holdfast/postgres'))), { recursive: true, force: true })
    },
  }
}

/** The environment of someone who has set nothing. */
function clean(): NodeJS.ProcessEnv {
  const own = /^(HOLDFAST_|npm_|VITEST|NODE_|REDIS_URL|DATABASE_URL|INIT_CWD|TEST$|PROD$|DEV$|MODE$)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)))
}

function startNpm(folder: string, args: readonly string[], env: Record<string, string>): Running {
  const child = spawn('npm', args, {
    cwd: folder,
    env: { ...clean(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // As in a terminal, where Ctrl-C goes to a process group.
    detached: true,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  }
  const gone = () => child.exitCode !== null || child.signalCode !== null
  const waitFor = async (what: () => boolean, limitMs: number, wish: string) => {
    try {
      await until(wish, () => what() || gone(), limitMs)
    } catch (cause) {
      throw new Error(`${(cause as Error).message}:\n${output}`)
    }
    if (!what()) throw new Error(`npm ended (${child.exitCode}) before it ${wish}:\n${output}`)
  }
  return {
    process: child,
    output: () => output,
    says: (what, limitMs = 60_000) => waitFor(() => what.test(output), limitMs, `says ${what}`),
    family: () => family(child.pid ?? -1),
    async ended(limitMs = 60_000) {
      await waitFor(gone, limitMs, 'npm ends')
      return child.exitCode
    },
  }
}

/** Sends Ctrl-C to the process group, as a terminal does, and names what is left of the family after `limitMs`. */
export async function interrupt(running: Running, limitMs = 5_000): Promise<string[]> {
  const everyone = running.family()
  process.kill(-(running.process.pid ?? 0), 'SIGINT')
  await until('all are gone', () => stillRunning(everyone).length === 0, limitMs).catch(() => undefined)
  return stillRunning(everyone)
}
