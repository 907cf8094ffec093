import { spawn } from 'node:child_process'

export interface Guardian {
  /** Ends the watch without touching the process. */
  release(): void
}

/**
 * Ends `pid` when this process is gone, however it went, `kill -9` included: a shell waits at the end of a pipe
 * that only this process holds open. Node knows no "signal me when my parent dies".
 */
export function guard(pid: number, signal: 'INT' | 'TERM'): Guardian {
  if (process.platform === 'win32') return { release() {} }
  const shell = spawn(
    '/bin/sh',
    ['-c', 'read -r _ || kill -s "$1" "$2"', 'holdfast-guardian', signal, String(pid)],
    {
      // A session of its own, so that Ctrl-C in the terminal does not end it first.
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    },
  )
  shell.on('error', () => undefined)
  shell.stdin.on('error', () => undefined)
  shell.unref()
  return { release: () => void shell.stdin.end('\n') }
}
