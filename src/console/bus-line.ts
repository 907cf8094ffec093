import { z } from 'zod'
import { mark, nodeSheet } from './sheet-schema.ts'
import type { Mark } from './wire-common.ts'
import type { NodeSheet } from './wire-now.ts'

/** Messages to all nodes, at most once (the realtime tier's control messages). */
export interface ControlLine {
  send(message: unknown): void
  onMessage(listener: (message: unknown, fromNode: string) => unknown): () => void
}

/** Nodes of another version of these messages ignore each other's, so both can run during a deployment. */
const common = { about: z.literal('console'), v: z.literal(1), node: z.string() }
const message = z.discriminatedUnion('kind', [
  z.object({ ...common, kind: z.literal('sheet'), sheet: nodeSheet }),
  z.object({ ...common, kind: z.literal('mark'), mark }),
  /** Somebody looks: sheets come more often for a while. */
  z.object({ ...common, kind: z.literal('watch') }),
  /** The switches have changed in Postgres. */
  z.object({ ...common, kind: z.literal('switches') }),
  z.object({ ...common, kind: z.literal('bye') }),
])

export interface BusListener {
  sheet(sheet: NodeSheet): void
  mark(mark: Mark): void
  watch(): void
  switches(): void
  bye(node: string): void
}

/** The consoles of all nodes, over the bus. What is said while Redis is away is not heard. */
export class BusLine {
  readonly #line: ControlLine
  readonly #node: string
  readonly #stop: () => void
  #heardAt: number | undefined

  constructor(line: ControlLine, node: string, listener: BusListener) {
    this.#line = line
    this.#node = node
    this.#stop = line.onMessage(incoming => {
      const parsed = message.safeParse(incoming)
      if (!parsed.success) return 'foreign'
      const said = parsed.data
      if (said.node === node) return undefined
      this.#heardAt = Date.now()
      if (said.kind === 'sheet') listener.sheet(said.sheet)
      else if (said.kind === 'mark') listener.mark(said.mark)
      else if (said.kind === 'bye') listener.bye(said.node)
      else listener[said.kind]()
      return undefined
    })
  }

  /** When another node was heard last, in milliseconds since 1970. */
  get heardAt(): number | undefined {
    return this.#heardAt
  }

  sheet(sheet: NodeSheet): void {
    this.#send({ kind: 'sheet', sheet })
  }

  mark(mark: Mark): void {
    this.#send({ kind: 'mark', mark })
  }

  say(kind: 'watch' | 'switches'): void {
    this.#send({ kind })
  }

  close(): void {
    this.#stop()
    this.#send({ kind: 'bye' })
  }

  #send(body: Record<string, unknown>): void {
    this.#line.send({ about: 'console', v: 1, node: this.#node, ...body })
  }
}
