/** Who the nodes are, and questions to all of them, over control messages that may be lost. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Logger } from '../../platform/index.ts'
import type { Control } from '../../realtime/index.ts'

/** Nodes of another version of these messages ignore each other's, so both can run during a deployment. */
const version = 1
const common = { about: z.literal('cluster'), v: z.literal(version), node: z.string() }
const message = z.discriminatedUnion('kind', [
  z.object({ ...common, kind: z.literal('hello'), traits: z.array(z.string()).optional() }),
  z.object({ ...common, kind: z.literal('bye') }),
  z.object({ ...common, kind: z.literal('ask'), id: z.string(), question: z.unknown() }),
  z.object({ ...common, kind: z.literal('answer'), id: z.string(), answer: z.unknown() }),
])

export interface SurveyTimings {
  readonly helloEveryMs: number
  /** A node that was not heard of for so long is gone. */
  readonly forgetAfterMs: number
  /** One that went without a goodbye may be cut off and alive: so long it is named as missing. */
  readonly missAfterMs: number
  /** How long an answer is waited for; asked again after half of it, because control messages may be lost. */
  readonly answerWithinMs: number
}

const defaults: SurveyTimings = {
  helloEveryMs: 3_000,
  forgetAfterMs: 10_000,
  missAfterMs: 300_000,
  answerWithinMs: 1_000,
}
/** In a place where nodes die one after the other, the latest are told of. */
const mostGone = 100

export interface SurveyOptions {
  /** Unique among all nodes and all their lives. */
  readonly node: string
  readonly control: Control
  /** This node's answer, as JSON. Questions may arrive twice. */
  readonly answer: (question: unknown) => Promise<unknown>
  /** Said with each hello. Nodes of the release before say none. */
  readonly traits?: () => readonly string[]
  readonly logger: Logger
  readonly timings?: Partial<SurveyTimings>
}

export interface SurveyResult {
  /** By node; this node's own is always there. Another version's nodes may answer in another shape. */
  readonly answers: ReadonlyMap<string, unknown>
  /** Nodes that were there lately and did not answer in time. */
  readonly silent: readonly string[]
  /** Nodes that were not heard of lately and said no goodbye; nobody waited for them. */
  readonly gone: readonly string[]
}

interface Pending {
  readonly answers: Map<string, unknown>
  readonly missing: Set<string>
  readonly finish: () => void
}

/**
 * Asks all nodes and gathers what they say. With the bus away the others do not hear, count as silent until they
 * are forgotten, and this node goes on alone.
 */
export class Survey {
  readonly #options: SurveyOptions
  readonly #timings: SurveyTimings
  readonly #heardAt = new Map<string, number>()
  /** By node, when it was last heard; the oldest first. */
  readonly #gone = new Map<string, number>()
  readonly #traits = new Map<string, readonly string[]>()
  readonly #pending = new Map<string, Pending>()
  readonly #stop: () => void

  constructor(options: SurveyOptions) {
    this.#options = options
    this.#timings = { ...defaults, ...options.timings }
    const unsubscribe = options.control.onMessage(incoming => this.#hear(incoming))
    const timer = setInterval(() => {
      // Forgets those that died without a word, although nobody asks for them.
      this.others()
      this.#missed()
      this.#sayHello()
    }, this.#timings.helloEveryMs)
    timer.unref()
    this.#stop = () => {
      clearInterval(timer)
      unsubscribe()
    }
    this.#sayHello()
  }

  /** The other nodes that were heard of lately; with a trait those that have it. */
  others(trait?: string): string[] {
    const oldest = performance.now() - this.#timings.forgetAfterMs
    for (const [node, at] of this.#heardAt) {
      if (at >= oldest) continue
      this.#heardAt.delete(node)
      this.#traits.delete(node)
      this.#gone.set(node, at)
    }
    const all = [...this.#heardAt.keys()]
    return trait === undefined ? all : all.filter(node => this.#traits.get(node)?.includes(trait))
  }

  #missed(): string[] {
    const oldest = performance.now() - this.#timings.missAfterMs
    for (const [node, at] of this.#gone)
      if (at < oldest || this.#gone.size > mostGone) this.#gone.delete(node)
    return [...this.#gone.keys()]
  }

  /** @param withinMs how long an answer may take, where the question itself takes its time */
  async ask(question: unknown, withinMs: number = this.#timings.answerWithinMs): Promise<SurveyResult> {
    const id = randomUUID()
    const answers = new Map<string, unknown>()
    const missing = new Set(this.others())
    const gathered = this.#gather(id, { answers, missing }, question, withinMs)
    answers.set(this.#options.node, await this.#options.answer(question))
    await gathered
    return { answers, silent: [...missing], gone: this.#missed().filter(node => !answers.has(node)) }
  }

  close(): void {
    this.#stop()
    this.#send({ kind: 'bye' })
    for (const pending of this.#pending.values()) pending.finish()
  }

  #gather(
    id: string,
    { answers, missing }: Omit<Pending, 'finish'>,
    question: unknown,
    withinMs: number,
  ): Promise<void> {
    // Sent even where no other node is known: one that has just started hears it, and a command takes effect there.
    this.#send({ kind: 'ask', id, question })
    if (missing.size === 0) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const again = setTimeout(
      () => this.#send({ kind: 'ask', id, question }),
      this.#timings.answerWithinMs / 2,
    )
    const end = setTimeout(resolve, withinMs)
    this.#pending.set(id, { answers, missing, finish: resolve })
    return promise.finally(() => {
      clearTimeout(again)
      clearTimeout(end)
      this.#pending.delete(id)
    })
  }

  #sayHello(): void {
    this.#send({ kind: 'hello', traits: this.#options.traits?.() ?? [] })
  }

  #send(body: Record<string, unknown>): void {
    this.#options.control.send({ about: 'cluster', v: version, node: this.#options.node, ...body })
  }

  #hear(incoming: unknown): 'foreign' | undefined {
    const parsed = message.safeParse(incoming)
    if (!parsed.success) return 'foreign'
    if (parsed.data.node !== this.#options.node) this.#take(parsed.data)
    return undefined
  }

  #take(data: z.output<typeof message>): void {
    if (data.kind === 'bye') {
      this.#heardAt.delete(data.node)
      this.#traits.delete(data.node)
      this.#gone.delete(data.node)
      for (const pending of this.#pending.values()) this.#settle(pending, data.node)
      return
    }
    const known = this.#heardAt.has(data.node)
    this.#gone.delete(data.node)
    this.#heardAt.set(data.node, performance.now())
    if (data.kind === 'hello') this.#traits.set(data.node, data.traits ?? [])
    if (data.kind === 'hello' && !known) this.#sayHello()
    if (data.kind === 'ask') void this.#reply(data.id, data.question)
    if (data.kind === 'answer') {
      const pending = this.#pending.get(data.id)
      pending?.answers.set(data.node, data.answer)
      if (pending) this.#settle(pending, data.node)
    }
  }

  #settle(pending: Pending, node: string): void {
    pending.missing.delete(node)
    if (pending.missing.size === 0) pending.finish()
  }

  async #reply(id: string, question: unknown): Promise<void> {
    try {
      this.#send({ kind: 'answer', id, answer: await this.#options.answer(question) })
    } catch (error) {
      // No answer is an answer: whoever asked counts this node as silent.
      this.#options.logger.warn({ err: error }, 'could not answer a question of another node')
    }
  }
}
