/** What can be refused because there is too much of it: the closed set of `limit` in `holdfast.limited`. */
export const limitNames = [
  'event_loop',
  'node_connections',
  'node_connection_rate',
  'address_connection_rate',
] as const

export type LimitName = (typeof limitNames)[number]

/** How often each limit was met on this node. */
export class LimitCounts {
  readonly #counts = new Map<LimitName, number>(limitNames.map(name => [name, 0]))

  add(limit: LimitName): void {
    this.#counts.set(limit, (this.#counts.get(limit) ?? 0) + 1)
  }

  entries(): Iterable<readonly [LimitName, number]> {
    return this.#counts
  }
}
