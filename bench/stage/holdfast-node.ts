import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort } from '../../src/cli/services/free-port.ts'

export interface HoldfastNode {
  readonly port: number
  readonly pid: number
  /** Where its debugger listens, if it was started with one. */
  readonly debuggerUrl: string | undefined
  stop(): Promise<void>
}

export interface NodeSettings {
  readonly redisUrl: string
  readonly databaseUrl: string
  /** Path of the configuration file. */
  readonly config: string
  readonly nodeOptions?: string
  /** Besides, in its environment. */
  readonly env?: Readonly<Record<string, string>>
}

const root = fileURLToPath(new URL('../../', import.meta.url))
const command = fileURLToPath(new URL('../../bin/holdfast', import.meta.url))
const readyWithinMs = 60_000

export async function migrate(settings: NodeSettings): Promise<void> {
  await promisify(execFile)(process.execPath, [command, 'migrate'], { cwd: root, env: environment(settings) })
}

/** `holdfast serve` on a free port; resolves when it says that it is ready. */
export async function startNode(settings: NodeSettings, say: (line: string) => void): Promise<HoldfastNode> {
  const port = await freePort()
  const child = spawn(process.execPath, [command, 'serve'], {
    cwd: root,
    env: { ...environment(settings), HOLDFAST_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let debuggerUrl: string | undefined
  const look = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-10_000)
    debuggerUrl ??= output.match(/Debugger listening on (ws:\S+)/)?.[1]
  }
  child.stdout.on('data', look)
  child.stderr.on('data', look)
  try {
    await ready(child, port)
  } catch (error) {
    await stop(child)
    throw new Error(`a Holdfast node did not start:\n${output}`, { cause: error })
  }
  const fell = (code: number | null, signal: string | null) => {
    say(`a Holdfast node ended by itself (${signal ?? code}):\n${output}`)
  }
  child.once('exit', fell)
  return {
    port,
    pid: child.pid ?? 0,
    debuggerUrl,
    stop() {
      child.removeListener('exit', fell)
      return stop(child)
    },
  }
}

function environment({ redisUrl, databaseUrl, config, nodeOptions, env }: NodeSettings): NodeJS.ProcessEnv {
  return {
    ...process.env,
    HOLDFAST_CONFIG: config,
    REDIS_URL: redisUrl,
    DATABASE_URL: databaseUrl,
    HOLDFAST_API_KEY: 'bench',
    ...(nodeOptions === undefined ? {} : { NODE_OPTIONS: nodeOptions }),
    ...env,
  }
}

async function ready(child: ChildProcess, port: number): Promise<void> {
  const limit = performance.now() + readyWithinMs
  while (performance.now() < limit) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('it ended')
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined)
    if (answer?.ok) return
    await delay(50)
  }
  throw new Error('it never said that it is ready')
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const patience = setTimeout(() => child.kill('SIGKILL'), 6_000)
  await ended
  clearTimeout(patience)
}
