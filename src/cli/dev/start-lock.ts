import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CliError } from '../cli-error.ts'
import { processGone, processMark, signalProcess } from '../services/process-mark.ts'

interface Running {
  readonly pid: number
  readonly mark: string
}

interface Content extends Running {
  readonly children: readonly (Running & { readonly name: string })[]
}

export interface StartLock {
  /** Remembers a child, so that the next start can end it should this one be killed and its child not notice. */
  record(name: string, pid: number): void
  release(): void
}

/**
 * Makes this process the only `holdfast dev` in `folder` and ends what a killed one has left running.
 * @throws CliError where another one runs
 */
export async function takeStartLock(folder: string, tell: (line: string) => void): Promise<StartLock> {
  const file = join(folder, 'dev.json')
  const own: Running = { pid: process.pid, mark: processMark(process.pid) ?? '' }
  const children: (Running & { name: string })[] = []
  const text = () => JSON.stringify({ ...own, children } satisfies Content)
  for (let attempt = 1; ; attempt++) {
    try {
      writeFileSync(file, text(), { flag: 'wx' })
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 3) throw error
    }
    await clearStale(file, tell)
  }
  return {
    record(name, pid) {
      const mark = processMark(pid)
      if (mark === undefined) return
      children.push({ name, pid, mark })
      writeFileSync(file, text())
    },
    release: () => rmSync(file, { force: true }),
  }
}

async function clearStale(file: string, tell: (line: string) => void): Promise<void> {
  const content = read(file)
  if (content && processMark(content.pid) === content.mark) {
    throw new CliError(
      `Holdfast is already running in this folder (process ${content.pid})`,
      `use it, stop it with Ctrl-C in its terminal, or with: kill ${content.pid}`,
    )
  }
  const left = content?.children.filter(child => processMark(child.pid) === child.mark) ?? []
  for (const child of left) {
    tell(`stopping ${child.name} (process ${child.pid}), which an earlier start has left behind`)
    signalProcess(child.pid, child.name === 'Postgres' ? 'SIGINT' : 'SIGTERM')
    signalProcess(child.pid, 'SIGCONT')
  }
  for (const child of left) {
    if (await processGone(child.pid, child.mark, 5_000)) continue
    signalProcess(child.pid, 'SIGKILL')
    await processGone(child.pid, child.mark, 2_000)
  }
  rmSync(file, { force: true })
}

function read(file: string): Content | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
