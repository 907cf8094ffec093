import type { Position } from '../domain/index.ts'
import { pushPublication } from '../protocol/index.ts'
import type { History } from './history.ts'
import type { LiveChannel } from './live-channel.ts'

/** The bus is given this long to bring what another node has published before. */
const patienceMs = 50
/** A larger gap is left to the sessions: they come back and recover, or are told. More would fill their mailboxes. */
const maxLines = 1_000
const maxCharacters = 256 * 1_024

/**
 * Brings a channel on where the bus was slow or deaf: lines that it should have brought are read from the history once
 * for all sessions of this node, which go on in order. All of them or none.
 */
export class GapFill {
  readonly #history: History
  readonly #unnumbered: () => number
  readonly #wanted = new Map<LiveChannel, Position>()

  /** `unnumbered`: counts what this node has published without a number. */
  constructor(history: History, unnumbered: () => number) {
    this.#history = history
    this.#unnumbered = unnumbered
  }

  /** There is a line at `place`, by an answer to this node, that the channel could not take yet. */
  wait(channel: LiveChannel, place: Position): void {
    const waiting = this.#wanted.has(channel)
    this.#wanted.set(channel, place)
    if (waiting) return
    setTimeout(() => {
      const wanted = this.#wanted.get(channel)
      this.#wanted.delete(channel)
      if (wanted) void this.bring(channel, wanted)
    }, patienceMs).unref()
  }

  /** Takes everything up to `to` where that can be had; where it can't, who relies on a place is sent to ask. */
  async bring(channel: LiveChannel, to: Position): Promise<void> {
    const from = channel.place
    if (!from || from.epoch !== to.epoch || from.offset >= to.offset) return
    const count = to.offset - from.offset
    if (count > maxLines) return channel.loseWay()
    const unnumbered = this.#unnumbered()
    try {
      const { head, entries } = await this.#history.read(channel.name, channel.historyTtlSeconds, {
        since: from.offset,
        limit: count,
        reverse: false,
      })
      // What was in doubt meanwhile has perhaps been delivered here without a number. The hole is still to come.
      if (unnumbered !== this.#unnumbered()) return
      const dense = entries.every(({ offset }, i) => offset === from.offset + 1 + i)
      const characters = entries.reduce((sum, { publication }) => sum + publication.length, 0)
      const whole = dense && entries.length === count && head.epoch === to.epoch
      if (!whole || characters > maxCharacters) return channel.loseWay()
      for (const { offset, publication } of entries)
        channel.takeNext({ epoch: to.epoch, offset }, pushPublication(channel.name, publication))
    } catch {
      // Redis is away: when it is back, all places are compared.
    }
  }
}
