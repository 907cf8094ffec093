import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { basename } from 'node:path'
import { type Guardian, guard } from './guardian.ts'

export interface ChildServer {
  readonly process: ChildProcess
  /** Sends the stop signal, waits for the end, and kills where it does not come within `limitMs`. */
  stop(): Promise<void>
}

/**
 * Starts a server that must not outlive this process and waits for the line that says it is ready.
 * @throws Error with the server's last output where it ends before
 */
export async function startChildServer(options: {
  file: string
  args: readonly string[]
  ready: RegExp
  stopSignal: 'INT' | 'TERM'
  limitMs?: number
  spawn?: SpawnOptions
  log?: ((line: string) => void) | undefined
}): Promise<ChildServer> {
  const child = spawn(options.file, options.args, {
    ...options.spawn,
    // Ctrl-C goes to the whole process group of a terminal; these servers are stopped last, by us.
    detached: process.platform !== 'win32',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let guardian: Guardian | undefined
  child.once('spawn', () => {
    if (child.pid !== undefined) guardian = guard(child.pid, options.stopSignal)
  })
  child.once('exit', () => guardian?.release())
  await untilReady(child, options)
  return { process: child, stop: () => stopChild(child, options.stopSignal, options.limitMs ?? 4_000) }
}

function untilReady(
  child: ChildProcess,
  options: { file: string; ready: RegExp; log?: ((line: string) => void) | undefined },
): Promise<void> {
  let tail = ''
  return new Promise((resolve, reject) => {
    const look = (chunk: Buffer) => {
      const text = chunk.toString()
      options.log?.(text.trimEnd())
      tail = (tail + text).slice(-4_000)
      if (options.ready.test(tail)) resolve()
    }
    child.stdout?.on('data', look)
    child.stderr?.on('data', look)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      reject(new Error(`${basename(options.file)} ended (${signal ?? code}):\n${tail.trim()}`))
    })
  })
}

async function stopChild(child: ChildProcess, signal: 'INT' | 'TERM', limitMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(`SIG${signal}`)
  // A server stopped with SIGSTOP (tests do that) hears of the signal only when it goes on.
  child.kill('SIGCONT')
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  await ended
  clearTimeout(timer)
}
