import type { Api, Failure } from './api.ts'

/** What is known of one question: the last answer, however old, and why there is no newer one. */
export interface Reading<T = unknown> {
  readonly data: T | undefined
  /** When `data` came, by this browser's clock. */
  readonly receivedAt: number | undefined
  readonly failure: Failure | undefined
  /** Since when no answer came. */
  readonly failingSince: number | undefined
}

const nothing: Reading = {
  data: undefined,
  receivedAt: undefined,
  failure: undefined,
  failingSince: undefined,
}

/** Above it the answers that nobody looks at are forgotten, the oldest first. */
const mostKept = 60
const longestRestMs = 10_000

interface Question {
  reading: Reading
  readonly listeners: Map<() => void, number>
  timer: ReturnType<typeof setTimeout> | undefined
  asking: AbortController | undefined
  failures: number
}

/**
 * Asks the server again and again what somebody looks at, each question once, however many parts of the page show its
 * answer. A question that fails keeps its last answer and is asked less and less often, a tab that nobody sees asks nothing.
 */
export class Readings {
  readonly #api: Api
  readonly #questions = new Map<string, Question>()
  readonly #onVisibility = () => {
    if (!document.hidden) for (const path of this.#questions.keys()) this.#askSoon(path, 0)
  }

  constructor(api: Api) {
    this.#api = api
  }

  open(): () => void {
    document.addEventListener('visibilitychange', this.#onVisibility)
    return () => {
      document.removeEventListener('visibilitychange', this.#onVisibility)
      for (const question of this.#questions.values()) {
        clearTimeout(question.timer)
        question.asking?.abort()
      }
      this.#questions.clear()
    }
  }

  watch(path: string, everyMs: number, changed: () => void): () => void {
    const question = this.#question(path)
    question.listeners.set(changed, everyMs)
    if (question.timer === undefined && question.asking === undefined) this.#askSoon(path, 0)
    return () => {
      question.listeners.delete(changed)
      if (question.listeners.size > 0) return
      clearTimeout(question.timer)
      question.timer = undefined
      question.asking?.abort()
      question.asking = undefined
    }
  }

  read(path: string): Reading {
    return this.#questions.get(path)?.reading ?? nothing
  }

  /** Asks now, for instance because somebody has just changed what the answer tells. */
  again(path: string): void {
    const question = this.#questions.get(path)
    if (!question || question.listeners.size === 0) return
    question.asking?.abort()
    question.asking = undefined
    this.#askSoon(path, 0)
  }

  /** Asks everything again that is being looked at and whose path begins so. */
  againAll(prefix: string): void {
    for (const path of this.#questions.keys()) if (path.startsWith(prefix)) this.again(path)
  }

  #question(path: string): Question {
    const known = this.#questions.get(path)
    if (known) return known
    for (const [each, { listeners }] of this.#questions) {
      if (this.#questions.size < mostKept) break
      if (listeners.size === 0) this.#questions.delete(each)
    }
    const made: Question = {
      reading: nothing,
      listeners: new Map(),
      timer: undefined,
      asking: undefined,
      failures: 0,
    }
    this.#questions.set(path, made)
    return made
  }

  #askSoon(path: string, afterMs: number): void {
    const question = this.#questions.get(path)
    if (!question || question.listeners.size === 0 || question.asking) return
    clearTimeout(question.timer)
    question.timer = setTimeout(() => {
      question.timer = undefined
      if (!document.hidden) void this.#ask(path, question)
    }, afterMs)
  }

  async #ask(path: string, question: Question): Promise<void> {
    const asking = new AbortController()
    question.asking = asking
    const outcome = await this.#api.get(path, asking.signal)
    // Somebody has asked again meanwhile, or nobody looks any more.
    if (question.asking !== asking) return
    question.asking = undefined
    const now = Date.now()
    if (outcome.kind === 'answer') {
      question.failures = 0
      question.reading = {
        data: outcome.body,
        receivedAt: now,
        failure: undefined,
        failingSince: undefined,
      }
    } else {
      question.failures++
      const { data, receivedAt, failingSince } = question.reading
      question.reading = {
        data,
        receivedAt,
        failure: outcome.failure,
        failingSince: failingSince ?? now,
      }
    }
    for (const changed of question.listeners.keys()) changed()
    this.#askSoon(path, restMs(question))
  }
}

/** Spread by chance, so that many open pages do not ask in step after an outage. */
function restMs({ listeners, failures }: Question): number {
  const wished = Math.min(...listeners.values())
  if (failures === 0) return wished
  const longer = Math.max(Math.min(wished * 2 ** failures, longestRestMs), wished)
  return longer * (0.9 + Math.random() * 0.2)
}
