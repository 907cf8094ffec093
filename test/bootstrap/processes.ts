import { readdirSync, readFileSync } from 'node:fs'
import { processMark } from '../../src/cli/services/process-mark.ts'

/** A process, told from a later one with the same number. */
export interface Known {
  readonly pid: number
  readonly mark: string
  readonly command: string
}

/** `pid` and everything it has started, directly or not. Linux only. */
export function family(pid: number): Known[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? parentOf(Number(name)) : undefined
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const all = (of: number): number[] => [of, ...(children.get(of) ?? []).flatMap(all)]
  return all(pid).flatMap(each => {
    const mark = processMark(each)
    return mark === undefined ? [] : [{ pid: each, mark, command: commandOf(each) }]
  })
}

export function stillRunning(known: readonly Known[]): string[] {
  return known
    .filter(({ pid, mark }) => processMark(pid) === mark)
    .map(({ pid, command }) => `${pid} ${command}`)
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(
      readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\)\s/s, '')
        .split(' ')[1],
    )
  } catch {
    return undefined
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, 200)
  } catch {
    return ''
  }
}

/** To a process that may end at any moment. @throws where it is there and may not be signalled */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
