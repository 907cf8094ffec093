import type { Position } from '../domain/index.ts'
import { pushPublication } from '../protocol/index.ts'
import type { History } from './history.ts'
import type { LiveChannel } from './live-channel.ts'
import type { NumberedLine } from './recovery.ts'

/** The bus is given this long to bring what another node has published before. */
const patienceMs = 50
/** A larger gap is left to the sessions: they come back and recover, or are told. More would fill their mailboxes. */
const maxLines = 1_000
const maxCharacters = 256 * 1_024

type OwnLine = NumberedLine & { readonly line: string }

/**
 * Brings a channel on where the bus was slow or deaf: lines that it should have brought are read from the history once
 * for all sessions of this node, which go on in order. All of them or none.
 */
export class GapFill {
  readonly #history: History
  readonly #numbers: (channel: string) => boolean
  readonly #waiting = new Map<LiveChannel, OwnLine[]>()

  /** `numbers`: whether places in a channel can be relied on. */
  constructor(history: History, numbers: (channel: string) => boolean) {
    this.#history = history
    this.#numbers = numbers
  }

  /** There is a line at `place`, by an answer to this node, that the channel could not take yet. */
  wait(channel: LiveChannel, place: Position, line: string): void {
    const waiting = this.#waiting.get(channel)
    if (waiting) {
      waiting.push({ place, line })
      return
    }
    const lines = [{ place, line }]
    this.#waiting.set(channel, lines)
    setTimeout(() => void this.#settle(channel, lines), patienceMs).unref()
  }

  /**
   * A line without a number is about to be shown, and those that wait were published before it: they are shown now. Who
   * relies on a place comes back for what is missing before them.
   */
  release(channel: LiveChannel): void {
    const lines = this.#waiting.get(channel)
    this.#waiting.delete(channel)
    for (const { place, line } of lines ?? []) channel.begin(place, line)
  }

  /** Takes everything up to `to` where that can be had; where it can't, who relies on a place is sent to ask. */
  async bring(channel: LiveChannel, to: Position): Promise<void> {
    const from = channel.place
    if (!from || from.epoch !== to.epoch || from.offset >= to.offset) return
    const count = to.offset - from.offset
    if (count > maxLines) return channel.losePlaces()
    const { unnumbered } = channel
    try {
      const { head, entries } = await this.#history.read(channel.name, channel.historyTtlSeconds, {
        since: from.offset,
        limit: count,
        reverse: false,
      })
      // What was in doubt meanwhile has perhaps been delivered here without a number. The hole is still to come.
      if (unnumbered !== channel.unnumbered || !this.#numbers(channel.name)) return
      const dense = entries.every(({ offset }, i) => offset === from.offset + 1 + i)
      const characters = entries.reduce((sum, { publication }) => sum + publication.length, 0)
      const whole = dense && entries.length === count && head.epoch === to.epoch
      if (!whole || characters > maxCharacters) return channel.losePlaces()
      for (const { offset, publication } of entries)
        channel.takeNext({ epoch: to.epoch, offset }, pushPublication(channel.name, publication))
    } catch {
      // Redis is away: when it is back, all places are compared.
    }
  }

  async #settle(channel: LiveChannel, lines: readonly OwnLine[]): Promise<void> {
    const released = () => this.#waiting.get(channel) !== lines
    const [first] = lines
    const last = lines.at(-1)
    const count = lines.length
    if (!first || !last || released()) return
    // No place, and the bus has brought none: without this the line would be shown to nobody here.
    if (!channel.place) channel.begin(first.place, first.line)
    await this.bring(channel, last.place)
    if (released()) return
    this.#waiting.delete(channel)
    for (const [i, { place, line }] of lines.entries()) {
      // Who relies on no place needs no line before it, and must not lose what this node has in its hands.
      if (i < count && !channel.watched) channel.begin(place, line)
      else if (i >= count && !channel.takeNext(place, line)) this.wait(channel, place, line)
    }
  }
}
