import { isRefusal } from './fate.ts'
import type { GapFill } from './gap-fill.ts'
import type { History } from './history.ts'
import type { LiveChannel } from './live-channel.ts'
import type { LiveChannels } from './live-channels.ts'
import type { RedisLink } from './redis-link.ts'

const channelsAtOnce = 200
/** Messages that can't be read come in flocks, while another release publishes. */
const suspectDelayMs = 20

type Which = 'all' | 'quiet' | 'suspect'

/**
 * Finds lost Pub/Sub messages that no later one would show: compares the places of channels with the heads in
 * Redis after every reconnect, and those of quiet channels now and then.
 */
export class PositionWatch {
  readonly #channels: LiveChannels
  readonly #history: History
  readonly #link: RedisLink
  readonly #gapFill: GapFill
  readonly #settled: () => boolean
  readonly #everyMs: number
  readonly #timer: NodeJS.Timeout
  #looking: Promise<void> | undefined
  #again = false
  #suspects = new Set<LiveChannel>()
  #soon: NodeJS.Timeout | undefined

  /** `settled`: whether places can be relied on; where not, they are compared when `compareAll` is called. */
  constructor(parts: {
    channels: LiveChannels
    history: History
    link: RedisLink
    gapFill: GapFill
    settled: () => boolean
    everyMs: number
  }) {
    this.#gapFill = parts.gapFill
    this.#settled = parts.settled
    this.#channels = parts.channels
    this.#history = parts.history
    this.#link = parts.link
    this.#everyMs = parts.everyMs
    const jittered = parts.everyMs * (0.8 + Math.random() * 0.4)
    this.#timer = setInterval(() => this.#look('quiet'), jittered)
    this.#timer.unref()
    parts.link.onConnected(() => this.#look('all'))
  }

  close(): void {
    clearInterval(this.#timer)
    clearTimeout(this.#soon)
  }

  /** Places can be relied on again: sessions that wait for one are sent to ask, and all others are compared. */
  compareAll(): void {
    this.#look('all')
  }

  /** A message came that can't be read: it may have been the next line of a channel with places. */
  suspect(channel: LiveChannel): void {
    this.#suspects.add(channel)
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined
      this.#look('suspect')
    }, suspectDelayMs)
  }

  #look(which: Which): void {
    for (const channel of this.#channels.values()) channel.sweep()
    if (this.#looking) {
      if (which === 'all') this.#again = true
      for (const channel of which === 'suspect' ? this.#suspects : []) this.suspect(channel)
      return
    }
    this.#looking = this.#compare(which).finally(() => {
      this.#looking = undefined
      if (!this.#again) return
      this.#again = false
      this.#look('all')
    })
  }

  #takeSuspects(): Set<LiveChannel> {
    const suspects = this.#suspects
    this.#suspects = new Set()
    // A session on its way in has perhaps read the history before the message: it is looked at when it is live.
    for (const channel of suspects) if (channel.joining) this.suspect(channel)
    return suspects
  }

  async #compare(which: Which): Promise<void> {
    if (!this.#link.connected || !this.#settled()) return
    const quietSince = performance.now() - this.#everyMs
    const watched = [...(which === 'suspect' ? this.#takeSuspects() : this.#channels.values())].filter(
      channel => channel.watched && (which !== 'quiet' || channel.movedAt < quietSince),
    )
    for (let i = 0; i < watched.length; i += channelsAtOnce) {
      const part = watched.slice(i, i + channelsAtOnce)
      // In portions, like the rest: each of them sends sessions to ask again, and a node may have tens of thousands.
      for (const channel of part) channel.settleOwed()
      const before = part.map(channel => channel.place)
      try {
        const heads = await this.#history.heads(part)
        // What was published before the heads were read is here after this, or lost.
        await this.#link.pubsub.barrier()
        const gaps = part.map((channel, k) => {
          const head = heads[k]
          if (head && channel.isBehind(head)) return this.#gapFill.bring(channel, head)
          if (head) channel.compare(head, before[k])
          return undefined
        })
        await Promise.all(gaps)
      } catch (error) {
        // Redis is away again; when it is back all are compared. What it refuses to read keeps no others from it.
        if (!isRefusal(error)) return
      }
    }
  }
}
