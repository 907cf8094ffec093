import type { Logger } from '../platform/index.ts'
import type { Bus } from './bus.ts'
import type { Control, ControlListener } from './tier.ts'

/** Messages to all nodes at most once; this node gets its own without Redis, in the same turn of the event loop. */
export class BusControl implements Control {
  readonly #bus: Bus
  readonly #node: string
  readonly #logger: Logger
  readonly #listeners = new Set<ControlListener>()
  /** What one who has left would have understood is nobody's fault. */
  #complete = true

  constructor(bus: Bus, node: string, logger: Logger) {
    this.#bus = bus
    this.#node = node
    this.#logger = logger
  }

  /** Resolves when this node hears the others, or at once where Redis is away. */
  async start(): Promise<void> {
    await this.#bus.subscribeControl(message => {
      if (message.kind !== 'control') return
      try {
        this.#tell(JSON.parse(message.json), message.from)
      } catch (error) {
        this.#bus.noteForeignControl()
        this.#logger.debug({ err: error, from: message.from }, 'a control message is not JSON')
      }
    })
  }

  send(message: unknown): void {
    const json = JSON.stringify(message)
    this.#bus.sendControl(json)
    // A copy, as the other nodes get one.
    queueMicrotask(() => this.#tell(JSON.parse(json), this.#node))
  }

  onMessage(listener: ControlListener): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#complete = false
      this.#listeners.delete(listener)
    }
  }

  #tell(message: unknown, from: string): void {
    let foreign = this.#complete && this.#listeners.size > 0
    for (const listener of this.#listeners) {
      try {
        if (listener(message, from) !== 'foreign') foreign = false
      } catch (error) {
        foreign = false
        this.#logger.error({ err: error }, 'a listener of control messages failed')
      }
    }
    if (foreign && from !== this.#node) this.#bus.noteForeignControl()
  }
}
