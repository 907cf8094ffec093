import type { Logger } from './logger.ts'

/** What travels between nodes: the closed set of `kind` in `holdfast.bus.foreign`. */
export const busKinds = ['signal', 'control', 'announcement', 'notice', 'news'] as const
export type BusKind = (typeof busKinds)[number]

/**
 * Messages of other nodes that this release does not understand: another release sends them, or something that is no
 * Holdfast at all. They are left alone, counted, and told once of each kind; whoever meets one where an event may be
 * behind it looks for that event elsewhere.
 */
export class ForeignMessages {
  readonly #logger: Logger
  readonly #counts = new Map<BusKind, number>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  note(kind: BusKind, busChannel: string): void {
    const count = this.#counts.get(kind) ?? 0
    this.#counts.set(kind, count + 1)
    if (count > 0) return
    this.#logger.warn(
      { kind, busChannel },
      'a message between nodes is not understood: another release sends it (told once of each kind)',
    )
  }

  /** How many there were since the start. */
  count(kind: BusKind): number {
    return this.#counts.get(kind) ?? 0
  }
}
