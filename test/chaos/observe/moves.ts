import type { Line } from '../../support/prometheus.ts'

/** How a line of a panel left the range that it had. */
export interface Move {
  /** Its labels. */
  readonly line: string
  /** Undefined: it was not there, or is not any more. */
  readonly from: number | undefined
  readonly to: number | undefined
  /** How far, in widths of what was usual. */
  readonly by: number
}

/** Less than this part of its level a line may tremble without having moved: one process of four that goes is a move. */
const tremble = 0.25

/** The line that moved most; undefined where all stayed as they were. */
export function moveOf(before: readonly Line[], after: readonly Line[]): Move | undefined {
  const known = new Map(before.map(line => [nameOf(line), line.values.filter(Number.isFinite)]))
  const moves: Move[] = []
  for (const line of after) {
    const name = nameOf(line)
    const usual = known.get(name) ?? []
    known.delete(name)
    const values = line.values.filter(Number.isFinite)
    const [lowest, highest] = [Math.min(...usual), Math.max(...usual)]
    const level = usual.length > 0 ? Math.max(Math.abs(lowest), Math.abs(highest)) : 0
    const slack = Math.max(highest - lowest || 0, tremble * level, 1e-9)
    for (const to of [Math.max(...values), Math.min(...values)]) {
      if (!Number.isFinite(to) || (usual.length === 0 && to === 0)) continue
      const from = usual.length === 0 ? undefined : to > highest ? highest : lowest
      const by = (from === undefined ? Math.abs(to) : Math.max(to - highest, lowest - to)) / slack
      if (by >= 1) moves.push({ line: name, from, to, by })
    }
    // What the line of a process that has gone leaves behind is its absence.
    const samples = Math.max(...after.map(each => each.values.length))
    if (usual.length > 0 && values.length < samples * (1 - tremble) && values.length < samples - 1)
      moves.push({ line: name, from: usual.at(-1), to: undefined, by: 1 })
  }
  for (const [name, usual] of known)
    if (usual.length > 0) moves.push({ line: name, from: usual.at(-1), to: undefined, by: 1 })
  return moves.sort((a, b) => b.by - a.by)[0]
}

function nameOf({ metric }: Line): string {
  const labels = Object.entries(metric).filter(([label]) => label !== '__name__' && label !== 'job')
  return labels
    .map(([label, value]) => `${label}=${value}`)
    .sort()
    .join(' ')
}
