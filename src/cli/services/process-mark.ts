import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * When process `pid` started, in the system's own words, or undefined where it is not running. A number alone
 * says little: after a reboot, or in a container, it soon belongs to another process.
 */
export function processMark(pid: number): string | undefined {
  if (process.platform === 'linux') return linuxMark(pid)
  const { stdout, status } = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' })
  const line = stdout?.trim()
  return status === 0 && line && !line.startsWith('Z') ? line.replace(/^\S+\s+/, '') : undefined
}

function linuxMark(pid: number): string | undefined {
  try {
    // The command's name, in parentheses, may hold spaces and parentheses itself.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\)\s/s, '')
      .split(' ')
    const zombie = fields[0] === 'Z' || fields[0] === 'X'
    return zombie ? undefined : fields[19]
  } catch {
    return undefined
  }
}

/** The command line of a running process, or undefined. */
export function processCommand(pid: number): string | undefined {
  if (process.platform === 'linux') {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    } catch {
      return undefined
    }
  }
  return (
    spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout?.trim() || undefined
  )
}

/** Sends a signal; false where there is no such process. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

/** Waits until the process with this mark is gone; false where it still runs after `limitMs`. */
export async function processGone(pid: number, mark: string, limitMs: number): Promise<boolean> {
  const deadline = Date.now() + limitMs
  while (processMark(pid) === mark) {
    if (Date.now() > deadline) return false
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  return true
}
