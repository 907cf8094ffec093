import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { memoryOf } from '../support/memory-watch.ts'
import type { Keeper } from './keeper.ts'
import type { NodeProcess } from './types.ts'

export interface ProcessOptions {
  readonly name: string
  /** The program and its arguments, for this Node. */
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Where it listens, if anybody connects to it. */
  readonly port?: number
  /** What it prints on a line when it is ready. */
  readonly ready: RegExp
  /** For processes that end without having been told to, with what they said. */
  readonly deaths: string[]
  /** A supervisor starts it again so long after it has ended without having been told to; undefined: nobody does. */
  readonly restartAfterMs?: number
  readonly keeper: Keeper
}

/** How long a process may take to stop as a deployment asks it to. */
const stopWithinMs = 15_000

/** What is kept of what a process says. */
const mostLines = 400

/** A process of the system under test, to which everything may be done. */
export async function startProcess(options: ProcessOptions): Promise<NodeProcess> {
  const { name, keeper, deaths } = options
  const said: string[] = []
  let child: ChildProcess
  const start = async (env: Readonly<Record<string, string>> = {}) => {
    child = spawn(process.execPath, options.args, {
      env: { ...process.env, ...options.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: Ctrl-C is for the runner, which ends its processes in its order.
      detached: true,
    })
    await ready(child, options)
  }
  const running = () => child.exitCode === null && child.signalCode === null
  let supervisor: NodeJS.Timeout | undefined
  const ended = async (signal: NodeJS.Signals) => {
    clearTimeout(supervisor)
    if (!running()) return
    expected.add(child)
    const exit = once(child, 'exit')
    child.kill(signal)
    // One that stands still hears of the signal only when it goes on.
    child.kill('SIGCONT')
    const patience = setTimeout(() => child.kill('SIGKILL'), stopWithinMs)
    await exit
    clearTimeout(patience)
  }
  const expected = new WeakSet<ChildProcess>()
  const ready = (one: ChildProcess, { ready: sign }: ProcessOptions) => {
    const pid = one.pid ?? 0
    keeper.process(pid)
    const output: string[] = []
    const keep = (line: string) => {
      for (const lines of [output, said]) {
        lines.push(line)
        if (lines.length > mostLines) lines.shift()
      }
    }
    one.stderr?.on('data', (chunk: Buffer) => keep(chunk.toString().trimEnd()))
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (one.stdout)
      createInterface({ input: one.stdout }).on('line', line => {
        keep(line)
        if (process.env['HOLDFAST_TEST_LOG']) console.error(name, line)
        if (sign.test(line)) resolve()
      })
    one.once('error', reject)
    one.once('exit', (code, signal) => {
      keeper.gone(pid)
      const how = `${name} ended (${signal ?? code}):\n${output.join('\n')}`
      if (!expected.has(one)) {
        deaths.push(how)
        if (options.restartAfterMs !== undefined)
          supervisor = setTimeout(() => void start().catch(() => undefined), options.restartAfterMs)
      }
      reject(new Error(how))
    })
    return promise
  }
  await start()
  return {
    name,
    get pid() {
      return child.pid ?? 0
    },
    port: options.port,
    kill: () => ended('SIGKILL'),
    stop: () => ended('SIGTERM'),
    startAgain: start,
    pause: () => void child.kill('SIGSTOP'),
    goOn: () => void child.kill('SIGCONT'),
    said: () => [...said],
    memory: () => (running() ? memoryOf(child.pid ?? 0) : undefined),
  }
}
