import type { ClientInfo } from '../domain/index.ts'

interface Channel {
  readonly infos: Map<string, ClientInfo>
  /** By `performance.now()`. */
  refreshAt: number
}

export interface Portion {
  readonly channel: string
  readonly infos: readonly ClientInfo[]
}

const none: ReadonlyMap<string, ClientInfo> = new Map()

/** Who is present in which channel by way of this node, and when that has to be said again. */
export class PresentHere {
  readonly #channels = new Map<string, Channel>()

  add(channel: string, info: ClientInfo, refreshAt: number): void {
    const known = this.#channels.get(channel)
    if (known) known.infos.set(info.client, info)
    else this.#channels.set(channel, { infos: new Map([[info.client, info]]), refreshAt })
  }

  /** Returns whether it was there. */
  remove(channel: string, client: string): boolean {
    const known = this.#channels.get(channel)
    if (!known?.infos.delete(client)) return false
    if (known.infos.size === 0) this.#channels.delete(channel)
    return true
  }

  of(channel: string): ReadonlyMap<string, ClientInfo> {
    return this.#channels.get(channel)?.infos ?? none
  }

  /** It has to be said again at this time, by `performance.now()`. */
  due(channel: string, refreshAt: number): void {
    const known = this.#channels.get(channel)
    if (known) known.refreshAt = refreshAt
  }

  allDue(): void {
    for (const channel of this.#channels.values()) channel.refreshAt = 0
  }

  /** At most `limit` channels whose time has come, each given a next time. */
  takeDue(now: number, limit: number, next: () => number): Portion[] {
    const due: Portion[] = []
    for (const [channel, { infos, refreshAt }] of this.#channels) {
      if (refreshAt > now) continue
      due.push({ channel, infos: [...infos.values()] })
      // To the end, so that where all are due the next portion is found at the beginning.
      this.#channels.delete(channel)
      this.#channels.set(channel, { infos, refreshAt: next() })
      if (due.length === limit) break
    }
    return due
  }

  /** Everyone, in portions of at most `size` of one channel. */
  portions(size: number): Portion[] {
    const portions: Portion[] = []
    for (const [channel, { infos }] of this.#channels) {
      const all = [...infos.values()]
      for (let i = 0; i < all.length; i += size) portions.push({ channel, infos: all.slice(i, i + size) })
    }
    return portions
  }

  clear(): void {
    this.#channels.clear()
  }
}
