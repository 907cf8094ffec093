const newline = 10

/** Some publications of one channel in a row: `count` push lines joined by newlines, the first is number `first`. */
export interface Run {
  readonly first: number
  readonly count: number
  readonly text: Buffer | string
}

export function lastOf(run: Run): number {
  return run.first + run.count - 1
}

/** What of the run lies above `offset`; undefined where nothing does. */
export function above(run: Run, offset: number): Run | undefined {
  if (run.first > offset) return run
  if (lastOf(run) <= offset) return undefined
  let start = 0
  for (let skip = offset - run.first + 1; skip > 0; skip--) {
    start =
      (typeof run.text === 'string' ? run.text.indexOf('\n', start) : run.text.indexOf(newline, start)) + 1
  }
  const text = typeof run.text === 'string' ? run.text.slice(start) : run.text.subarray(start)
  return { first: offset + 1, count: lastOf(run) - offset, text }
}

/** The lines of a run, each as text. */
export function linesOf(run: Run): string[] {
  return run.text.toString().split('\n')
}

/**
 * A message of a channel's bus: `1 <first offset> <count>\n`, then the lines. Undefined for another version: the
 * position then does not move, and the comparison with the ledger brings what it said.
 */
export function parseRun(message: Buffer): Run | undefined {
  const end = message.indexOf(newline)
  if (end < 0) return undefined
  const [version, first, count] = message.toString('latin1', 0, end).split(' ')
  if (version !== '1') return undefined
  return { first: Number(first), count: Number(count), text: message.subarray(end + 1) }
}
