import type { Part, Row } from './rows.ts'

const heads = ['', 'unit', 'holdfast', 'beside it', 'times as good', 'goal', '']

/** The parts as text tables for a terminal. */
export function table(parts: readonly Part[]): string {
  return parts
    .map(part => [part.title, ...lines(part.rows), ...part.notes.map(note => `  ${note}`), ''].join('\n'))
    .join('\n')
}

function lines(rows: readonly Row[]): string[] {
  const cells = [heads, ...rows.map(cellsOf)]
  const widths = heads.map((_, column) => Math.max(...cells.map(row => (row[column] ?? '').length)))
  return cells.map(row => `  ${row.map((cell, i) => pad(cell, widths[i] ?? 0, i)).join('  ')}`.trimEnd())
}

function cellsOf(row: Row): string[] {
  const beside = Object.entries(row.others).map(([name, value]) => `${name} ${figure(value)}`)
  const goal = row.ratio?.goal
  return [
    row.what,
    row.unit,
    figure(row.holdfast),
    beside.join(', '),
    row.ratio ? `${figure(row.ratio.value)} (${row.ratio.to})` : '',
    goal === undefined ? goalText(row) : `≥ ${figure(goal)}`,
    verdict(row),
  ]
}

function goalText({ goal }: Row): string {
  if (goal?.atMost !== undefined) return `at most ${figure(goal.atMost)}`
  return goal?.atLeast === undefined ? '' : `at least ${figure(goal.atLeast)}`
}

function verdict({ ratio, goal, holdfast }: Row): string {
  if (ratio?.goal !== undefined && ratio.value !== undefined)
    return ratio.value >= ratio.goal ? 'reached' : 'missed'
  if (!goal || holdfast === undefined) return ''
  const reached = holdfast <= (goal.atMost ?? Infinity) && holdfast >= (goal.atLeast ?? -Infinity)
  return reached ? 'reached' : 'missed'
}

/** Three significant digits, and thousands with separators. */
export function figure(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '–'
  if (value >= 1000) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}

/** Words to the left, figures to the right. */
function pad(cell: string, width: number, column: number): string {
  return column === 2 ? cell.padStart(width) : cell.padEnd(width)
}
