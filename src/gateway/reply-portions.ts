import { maxJoinedCharacters } from '../hub/index.ts'

/** The lines in their order, in portions of at most a frame. */
export function* portionsOf(lines: readonly string[]): Generator<readonly string[]> {
  let from = 0
  let characters = 0
  for (const [i, { length }] of lines.entries()) {
    if (i > from && characters + length > maxJoinedCharacters) {
      yield lines.slice(from, i)
      from = i
      characters = 0
    }
    characters += length
  }
  yield from === 0 ? lines : lines.slice(from)
}
