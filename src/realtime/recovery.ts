/** What a session that comes back has missed, judged from one consistent look at a channel's short history. */
import type { Position } from '../domain/index.ts'
import type { LostBy, RecoverRequest } from '../hub/index.ts'
import type { HistorySlice } from './scripts.ts'

export interface Recovery {
  readonly recovered: boolean
  /** Why not. */
  readonly lost?: LostBy
  readonly publications: readonly string[]
}

const lost = (by: LostBy): Recovery => ({ recovered: false, lost: by, publications: [] })

/**
 * Recovered only with everything: the slice, read from after the wanted place, has to begin with the next offset
 * and to end with the head, in the same life of the numbering. There is no partial recovery.
 */
export function judgeRecovery(wanted: RecoverRequest, slice: HistorySlice, maxCharacters: number): Recovery {
  const { head, entries } = slice
  if (wanted.epoch !== '' && wanted.epoch !== head.epoch) return lost('epoch')
  if (wanted.offset > head.offset) return lost('ahead')
  if (entries.length === 0)
    return wanted.offset === head.offset ? { recovered: true, publications: [] } : lost('removed')
  let expected = wanted.offset + 1
  let characters = 0
  for (const entry of entries) {
    if (entry.offset !== expected++) return lost('removed')
    characters += entry.publication.length
  }
  if (expected !== head.offset + 1) return lost('removed')
  if (characters > maxCharacters) return lost('too_many')
  return { recovered: true, publications: entries.map(entry => entry.publication) }
}

export interface NumberedLine {
  readonly place: Position
  readonly line: string | Buffer
}

/**
 * The lines that lead from a session's place to the channel's, both of this moment, out of those that came while
 * the session was joining; undefined where they do not lead there without a hole.
 */
export function linesBetween(
  from: Position,
  to: Position,
  recent: readonly NumberedLine[],
): readonly NumberedLine[] | undefined {
  if (from.epoch !== to.epoch || from.offset > to.offset) return undefined
  const lines = recent.filter(({ place }) => place.epoch === to.epoch && place.offset > from.offset)
  const dense = lines.every(({ place }, i) => place.offset === from.offset + 1 + i)
  return dense && from.offset + lines.length === to.offset ? lines : undefined
}
