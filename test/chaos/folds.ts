import type { Stored } from './types.ts'

/** What the read model `counted` says of a channel: how much was said, in which order, and what last. */
export interface Counted {
  readonly count: number
  /** Of the values in their order. */
  readonly digest: number
  readonly last: string
}

export const nothingCounted: Counted = { count: 0, digest: 0, last: '' }

/** One step of `counted`, for the workers and for the checker. */
export function counted({ count, digest }: Counted, value: string): Counted {
  let next = digest
  for (let i = 0; i < value.length; i++) next = (Math.imul(next, 31) + value.charCodeAt(i)) | 0
  return { count: count + 1, digest: next, last: value }
}

/** Whose row of the read model `spoken` a value counts for. All channels share these rows. */
export function speakerOf(value: string): string {
  return value.split('/').slice(0, 2).join('/')
}

/** What a row says, in one way of writing. */
export function rowText(row: Counted | number): string {
  return typeof row === 'number' ? `${row}` : `${row.count} ${row.digest} ${row.last}`
}

/** What each read model has to say where this is stored: its rows by their keys. */
export function expectedModels(stored: readonly Stored[]): Readonly<Record<string, Record<string, string>>> {
  const spoken = new Map<string, number>()
  const all: [string, Counted][] = []
  for (const { channel, values } of stored) {
    let state = nothingCounted
    for (const { value } of values) {
      state = counted(state, value)
      const speaker = speakerOf(value)
      spoken.set(speaker, (spoken.get(speaker) ?? 0) + 1)
    }
    if (state.count > 0) all.push([channel, state])
  }
  const rows = (entries: Iterable<readonly [string, Counted | number]>) =>
    Object.fromEntries([...entries].map(([key, row]) => [key, rowText(row)]))
  return { counted: rows(all), spoken: rows(spoken) }
}
