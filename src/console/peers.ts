import type { NodeSheet, NodeView } from './wire-now.ts'

/** Nodes that are remembered; above it the one that was heard longest ago is forgotten. */
const maxNodes = 1_000
/** One that went without a goodbye is shown for so long. */
const missedMs = 300_000
/** A node is heard while its next sheet is not later than so many times what it has promised. */
const patience = 3.5

interface Known {
  readonly sheet: NodeSheet
  readonly via: NodeView['via']
  readonly at: number
}

/** What this node knows of the others. */
export class Peers {
  readonly #known = new Map<string, Known>()

  /** `at`: when it was true, by this node's clock. An older word than the last is not taken. */
  take(sheet: NodeSheet, via: NodeView['via'], at: number): void {
    const known = this.#known.get(sheet.id)
    if (known && (known.at > at || known.sheet.time > sheet.time)) return
    // Who is heard over the bus need not be looked up, unless he has said since that he is not on it any more.
    const onBus = known?.via === 'bus' && sheet.parts.bus === 'ready'
    if (known && via === 'postgres' && onBus && isHeard(known, at)) return
    this.#known.delete(sheet.id)
    this.#known.set(sheet.id, { sheet, via, at })
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= maxNodes) break
      this.#known.delete(oldest)
    }
  }

  bye(node: string): void {
    this.#known.delete(node)
  }

  /** Whether each of them was heard of in time. */
  complete(now = Date.now()): boolean {
    return this.views(now).every(({ heard }) => heard)
  }

  views(now = Date.now()): readonly NodeView[] {
    for (const [node, { at }] of this.#known) if (now - at > missedMs) this.#known.delete(node)
    return [...this.#known.values()].map(({ sheet, via, at }) => ({
      ...{ sheet, via, at },
      own: false,
      heard: isHeard({ sheet, at }, now),
    }))
  }
}

function isHeard({ sheet, at }: Pick<Known, 'sheet' | 'at'>, now: number): boolean {
  return now - at <= patience * sheet.everySeconds * 1_000
}
