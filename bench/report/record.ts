import { readFile } from 'node:fs/promises'
import type { MachineFacts } from '../stage/machine.ts'
import type { Part, Ratio } from './rows.ts'

export interface Report {
  readonly at: string
  /** The length of each measured window. */
  readonly seconds: number
  readonly machine: MachineFacts & { readonly services: Readonly<Record<string, string>> }
  readonly ratios: Readonly<Record<string, number>>
  readonly parts: readonly Part[]
}

/** What is kept in the repository: ratios and where they come from, no absolute figure. */
export type Recorded = Omit<Report, 'parts'>

export function ratiosOf(parts: readonly Part[]): Ratio[] {
  return parts.flatMap(part => part.rows.flatMap(row => (row.ratio ? [row.ratio] : [])))
}

export async function readRecorded(file: URL): Promise<Recorded | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as Recorded)
}

/** A recording with some parts measured anew keeps the other parts' ratios. */
export function recordOver(earlier: Recorded | undefined, report: Report): Recorded {
  const { parts: _, ...rest } = report
  return { ...rest, ratios: { ...earlier?.ratios, ...report.ratios } }
}

export interface Fall {
  readonly key: string
  readonly recorded: number
  readonly now: number
}

/** Judged ratios that have fallen to less than half of what was recorded. */
export function falls(parts: readonly Part[], recorded: Recorded): Fall[] {
  const found: Fall[] = []
  for (const { key, judged, value } of ratiosOf(parts)) {
    const before = recorded.ratios[key]
    if (!judged || before === undefined || value === undefined) continue
    if (value < before / 2) found.push({ key, recorded: before, now: value })
  }
  return found
}
