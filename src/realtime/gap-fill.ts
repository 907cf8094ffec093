import type { Position } from '../domain/index.ts'
import { pushPublication } from '../protocol/index.ts'
import type { History } from './history.ts'
import type { LiveChannel } from './live-channel.ts'

/** The bus is given this long to bring what another node has published before. */
const patienceMs = 50
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
        limit: wanted.offset - from.offset,
        reverse: false,
      })
      const { epoch } = head
      // All or nothing: below a place that was left empty there may be what this node's clients have without a number.
      const dense = entries.every(({ offset }, i) => offset === from.offset + 1 + i)
      const whole = dense && epoch === wanted.epoch && from.offset + entries.length === wanted.offset
      if (!whole) return channel.loseWay()
      for (const { offset, publication } of entries)
        channel.takeNext({ epoch, offset }, pushPublication(channel.name, publication))
    } catch {
      // Redis is away: when it is back, all places are compared.
    }
  }
}
