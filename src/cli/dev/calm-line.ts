const levels: Readonly<Record<number, string>> = { 40: 'warning', 50: 'error', 60: 'fatal' }
const hidden = new Set(['level', 'time', 'msg', 'node', 'pid', 'hostname', 'name'])

/** A node's log line as a person reads it; undefined for what only says that all is well. */
function calmLine(text: string): string | undefined {
  const entry = parse(text)
  if (!entry) return text.trim() === '' ? undefined : text
  const level = levels[Number(entry['level'])]
  if (!level) return undefined
  const rest = Object.entries(entry)
    .filter(([key]) => !hidden.has(key))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : briefly(value)}`)
  return `${level}: ${entry['msg'] ?? ''}${rest.length > 0 ? ` (${rest.join(', ')})` : ''}`
}

/** An error's message without its stack. */
function briefly(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'message' in value) return String(value.message)
  return JSON.stringify(value)
}

function parse(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const forgetAfterMs = 10_000

/** Prints what is worth reading once: nodes that lose the same server say the same several times. */
export class CalmOutput {
  readonly #print: (line: string) => void
  readonly #recent = new Set<string>()

  constructor(print: (line: string) => void) {
    this.#print = print
  }

  line(from: string, text: string): void {
    const calm = calmLine(text)
    if (calm === undefined) return
    const about = withoutRole(calm)
    if (this.#recent.has(about)) return
    this.#recent.add(about)
    setTimeout(() => this.#recent.delete(about), forgetAfterMs).unref()
    this.#print(`[${from}] ${calm}`)
  }
}

/** Which of a node's connections it is does not matter to a reader. */
function withoutRole(line: string): string {
  return line.replace(/role=\w+,? ?/, '')
}
