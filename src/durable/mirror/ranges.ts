import type { Entry } from './entry.ts'
import type { Range } from './scripts.ts'

/** Most entries and bytes of one script call: Redis does nothing else meanwhile. */
const maxEntries = 500
const maxBytes = 1_048_576

/** Entries of one partition in ascending order, as ranges without a gap: a commit of another node may lie between. */
export function contiguousRanges(entries: readonly Entry[]): Range[] {
  const ranges: Range[] = []
  let start = 0
  let bytes = 0
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as Entry
    bytes += entry.line.length
    const next = entries[i + 1]
    if (next && next.position === entry.position + 1 && i + 1 - start < maxEntries && bytes < maxBytes)
      continue
    ranges.push({
      from: (entries[start] as Entry).position,
      to: entry.position,
      entries: entries.slice(start, i + 1),
    })
    start = i + 1
    bytes = 0
  }
  return ranges
}

/**
 * A range read from the ledger, cut where one call would be too large. The parts cover it whole: what is missing
 * between entries, retention has removed.
 */
export function cutRange({ from, to, entries }: Range): Range[] {
  const parts: Range[] = []
  let start = 0
  let bytes = 0
  let begin = from
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as Entry
    bytes += entry.line.length
    if (i === entries.length - 1 || (i + 1 - start < maxEntries && bytes < maxBytes)) continue
    parts.push({ from: begin, to: entry.position, entries: entries.slice(start, i + 1) })
    start = i + 1
    begin = entry.position + 1
    bytes = 0
  }
  parts.push({ from: begin, to, entries: entries.slice(start) })
  return parts
}
