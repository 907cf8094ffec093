import type { Position } from '../domain/index.ts'
import { Lane, type Outlet, Packet } from '../hub/index.ts'
import { linesBetween, type NumberedLine } from './recovery.ts'

/** What may be remembered for sessions that are joining; one that takes longer starts again. */
const maxRecentLines = 4_096
const maxRecentBytes = 4 * 1024 * 1024

/** The numbered lines that came while sessions were on their way into a channel. */
export class RecentLines {
  #lines: NumberedLine[] = []
  #bytes = 0

  keep(numbered: NumberedLine): void {
    this.#lines.push(numbered)
    this.#bytes += numbered.line.length
    if (this.#lines.length > maxRecentLines || this.#bytes > maxRecentBytes) this.clear()
  }

  clear(): void {
    this.#lines = []
    this.#bytes = 0
  }

  /** @see linesBetween */
  between(from: Position, to: Position): readonly NumberedLine[] | undefined {
    return linesBetween(from, to, this.#lines)
  }
}

/** What a session missed while it joined: deliveries like those to whoever is live already. */
export function pushMissed(outlet: Outlet, lines: readonly NumberedLine[]): void {
  const packet = Packet.of(lines.map(({ line }) => line))
  outlet.turn.deliveries.expect(Lane.realtime, packet.messages)
  outlet.push(Lane.realtime, packet)
}
