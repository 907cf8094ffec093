/** What can be refused because there is too much of it: the closed set of `limit` in `holdfast.limited`. */
export const limitNames = [
  'event_loop',
  'memory',
  'node_connections',
  'node_connection_rate',
  'node_command_bytes',
  'node_waiting',
  'address_connections',
  'address_connection_rate',
  'user_connections',
  'user_commands',
  'user_publications',
  'user_cursors',
  'connection_frames',
  'connection_commands',
  'connection_publications',
  'connection_subscriptions',
  'connection_channels',
  'channel_publications',
  'presence_clients',
  'frame_bytes',
  'frame_parts',
  'api_requests',
  'api_bytes',
  'api_body_bytes',
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
