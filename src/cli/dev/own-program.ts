import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Running } from './kept-process.ts'

const stopWithinMs = 3_000

/**
 * Runs a program of ours. It ends when this process ends, because its ipc channel does; Ctrl-C in the terminal does
 * not reach it, so that things stop in order.
 */
export function runProgram(options: {
  args: readonly string[]
  env: NodeJS.ProcessEnv
  /** Each line it prints. */
  line(text: string): void
}): ChildProcess {
  const child = spawn(process.execPath, options.args, {
    env: { ...options.env, HOLDFAST_SUPERVISED: '1' },
    detached: process.platform !== 'win32',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on('line', options.line)
  }
  child.on('error', () => undefined)
  return child
}

/** Resolves when the program says where it listens. @throws Error with what it said where it ends before */
export async function startNode(options: {
  /** The path of `bin/holdfast`. */
  command: string
  env: NodeJS.ProcessEnv
  line(text: string): void
}): Promise<Running> {
  const early: string[] = []
  let listening: (() => void) | undefined
  const ready = new Promise<void>(resolve => {
    listening = resolve
  })
  const child = runProgram({
    args: [options.command, 'serve', '--json'],
    env: options.env,
    line(text) {
      if (listening === undefined) options.line(text)
      else if (!text.startsWith('{"event":"listening"')) early.push(text)
      else {
        listening()
        listening = undefined
      }
    },
  })
  const ended = once(child, 'close').then(() => {
    throw new Error(early.slice(-20).join('\n') || 'it said nothing')
  })
  await Promise.race([ready, ended])
  ended.catch(() => undefined)
  early.forEach(options.line)
  return { process: child, stop: () => stopProgram(child) }
}

export async function stopProgram(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  child.kill('SIGCONT')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopWithinMs)
  await ended
  clearTimeout(timer)
}
