import { userInfo } from 'node:os'
import { createInterface } from 'node:readline/promises'
import { SingleBar } from 'cli-progress'
import Table from 'cli-table3'
import { CliError } from './cli-error.ts'

type Cell = string | number | boolean | null | undefined

/** A table for people: a head, and a row for each thing; numbers stand at the right. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const numeric = head.map((_, i) => rows.length > 0 && rows.every(row => typeof row[i] === 'number'))
  const lines = new Table({
    head: [...head],
    colAligns: numeric.map(right => (right ? 'right' : 'left')),
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 2 },
    chars: Object.fromEntries(
      [
        ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
        ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'],
      ].map(name => [name, '']),
    ),
  })
  for (const row of rows) lines.push(row.map(cellText))
  return lines
    .toString()
    .split('\n')
    .map(line => line.trimEnd())
    .join('\n')
}

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined) return ''
  return typeof cell === 'number' ? cell.toLocaleString('en') : String(cell)
}

/** A time as people read it; empty for none. */
export function timeText(ms: number | null | undefined): string {
  return ms === null || ms === undefined || ms === 0 ? '' : new Date(ms).toISOString()
}

/** A bar on standard error while long work goes on; nothing where nobody looks (no terminal). */
export async function withProgress<T>(
  what: string,
  total: number,
  work: (step: (by?: number) => void) => Promise<T>,
): Promise<T> {
  if (!process.stderr.isTTY || total === 0) return work(() => undefined)
  const bar = new SingleBar({
    format: `${what} {bar} {value} of {total}, {eta_formatted} left`,
    stream: process.stderr,
    hideCursor: true,
  })
  bar.start(total, 0)
  try {
    return await work((by = 1) => bar.increment(by))
  } finally {
    bar.stop()
  }
}

/** Asks on the terminal. @throws CliError where there is none and `--yes` was not given */
export async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new CliError('this has to be confirmed', 'repeat it with --yes', 2)
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim())
  } finally {
    lines.close()
  }
}

/** Who is recorded as the one who did it, where `--by` does not say. */
export function currentActor(): string {
  try {
    return userInfo().username
  } catch {
    return 'cli'
  }
}
