const newline = 10

/** Some publications of one channel in a row: `count` push lines joined by newlines, the first is number `first`. */
export interface Run {
  readonly first: number
  readonly count: number
  readonly text: Buffer | string
  /** As it was announced, where some of them are traced. */
  readonly traces?: string | undefined
}

export function lastOf(run: Run): number {
  return run.first + run.count - 1
}

/** What of the run lies above `offset`; undefined where nothing does. */
export function above(run: Run, offset: number): Run | undefined {
  if (run.first > offset) return run
  if (lastOf(run) <= offset) return undefined
  const start = endOfLine(run.text, offset - run.first + 1) + 1
  const text = typeof run.text === 'string' ? run.text.slice(start) : run.text.subarray(start)
  return { first: offset + 1, count: lastOf(run) - offset, text }
}

/** The lines of a run, each as text; at most `most` of them. */
export function linesOf(run: Run, most = run.count): string[] {
  if (most >= run.count) return run.text.toString().split('\n')
  const end = endOfLine(run.text, most)
  return (typeof run.text === 'string' ? run.text.slice(0, end) : run.text.toString('utf8', 0, end)).split(
    '\n',
  )
}

/** Where line number `line` (from 1) ends. */
function endOfLine(text: Run['text'], line: number): number {
  let end = -1
  for (let n = 0; n < line; n++)
    end = typeof text === 'string' ? text.indexOf('\n', end + 1) : text.indexOf(newline, end + 1)
  return end
}

/**
 * A message of a channel's bus: `1 <first offset> <count>\n`, then the lines; where some are traced, `<count>` is followed by
 * `<offset>:<traceparent>` of each, with commas between them. Undefined for another version: the position then does not move,
 * and the comparison with the ledger brings what it said.
 */
export function parseRun(message: Buffer): Run | undefined {
  const end = message.indexOf(newline)
  if (end < 0) return undefined
  const [version, first, count, traces] = message.toString('latin1', 0, end).split(' ')
  const run = { first: Number(first), count: Number(count), text: message.subarray(end + 1), traces }
  const numbered = Number.isSafeInteger(run.first) && run.first >= 1 && Number.isSafeInteger(run.count)
  return version === '1' && numbered && run.count >= 1 ? run : undefined
}
