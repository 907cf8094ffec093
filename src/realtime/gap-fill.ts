import type { Position } from '../domain/index.ts'
import { pushPublication } from '../protocol/index.ts'
import type { History } from './history.ts'
import type { LiveChannel } from './live-channel.ts'

/** The bus is given this long to bring what another node has published before. */
const patienceMs = 100
/** A larger gap is left to the sessions: they come back and recover, or are told. */
const maxGap = 1_000

/**
 * Brings a channel on where the bus is slow or deaf: an answer of Redis has shown that there are lines before one of
 * this node's own, and they do not come. They are read from the history, so that this node's clients go on in order.
 */
export class GapFill {
  readonly #history: History
  readonly #wanted = new Map<LiveChannel, Position>()

  constructor(history: History) {
    this.#history = history
  }

  /** There is a line at `place` that the channel could not take yet. */
  wait(channel: LiveChannel, place: Position): void {
    const waiting = this.#wanted.has(channel)
    this.#wanted.set(channel, place)
    if (!waiting) setTimeout(() => void this.#fill(channel), patienceMs).unref()
  }

  async #fill(channel: LiveChannel): Promise<void> {
    const wanted = this.#wanted.get(channel)
    this.#wanted.delete(channel)
    const from = channel.place
    if (!wanted || !from || from.epoch !== wanted.epoch || from.offset >= wanted.offset) return
    if (wanted.offset - from.offset > maxGap) return channel.loseWay()
    try {
      const { head, entries } = await this.#history.read(channel.name, channel.historyTtlSeconds, {
        since: from.offset,
        limit: maxGap,
        reverse: false,
      })
      const { epoch } = head
      const whole = entries.every(({ offset, publication }) =>
        channel.takeNext({ epoch, offset }, pushPublication(channel.name, publication)),
      )
      const reached = channel.place?.epoch === wanted.epoch && channel.place.offset >= wanted.offset
      if (!whole || !reached) channel.loseWay()
    } catch {
      // Redis is away: when it is back, all places are compared.
    }
  }
}
