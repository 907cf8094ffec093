import type { ClientInfo } from '../domain/index.ts'
import type { Keys } from './keys.ts'
import { type Leaves, PresenceLeaves } from './presence-leaves.ts'
import { PresentHere } from './present-here.ts'
import type { RedisLink } from './redis-link.ts'
import type { Presence, PresenceStats } from './tier.ts'

export interface PresenceTimings {
  /** After this long without a refresh an entry is gone: so a dead node's clients disappear. */
  readonly presenceTtlMs: number
  /** Entries are refreshed this often, spread over the time. */
  readonly presenceRefreshMs: number
}

/** Channels in one write to Redis, and clients in one script call. */
const channelsAtOnce = 100
const clientsAtOnce = 100
/** The refreshes of one round are spread over this many steps. */
const steps = 25

/**
 * Who is in which channel, over all nodes, in Redis, and of this node in memory. This node's own entries are
 * refreshed in small portions before they expire; after a time without Redis all of them are announced again. While
 * Redis is away this node's own view is the answer: nothing here throws.
 */
export class RedisPresence implements Presence {
  readonly #link: RedisLink | undefined
  readonly #keys: Keys
  readonly #ttlMs: number
  readonly #refreshMs: number
  readonly #here = new PresentHere()
  readonly #leaves = new PresenceLeaves(leaves => this.#tellLeaves(leaves))
  readonly #timer: NodeJS.Timeout
  #refreshing: Promise<void> | undefined

  constructor(link: RedisLink | undefined, keys: Keys, timings: PresenceTimings) {
    this.#link = link
    this.#keys = keys
    this.#ttlMs = timings.presenceTtlMs
    this.#refreshMs = timings.presenceRefreshMs
    this.#timer = setInterval(() => this.#refreshDue(), Math.max(10, this.#refreshMs / steps))
    this.#timer.unref()
    link?.onConnected(() => {
      this.#here.allDue()
      this.#refreshDue()
    })
  }

  /** Resolves when other nodes can see it, or at once where they can't be told. */
  async enter(channel: string, info: ClientInfo): Promise<void> {
    this.#leaves.takeBack(channel, info.client)
    this.#here.add(channel, info, this.#nextRefresh())
    await this.#try(async link => {
      await link.call(scripts =>
        scripts.enterPresence([{ keys: this.#keys.presence(channel), infos: [info] }], this.#ttlMs),
      )
    })
  }

  async leave(channel: string, info: ClientInfo): Promise<void> {
    if (this.#here.remove(channel, info.client)) await this.#leaves.add(channel, info.client)
  }

  async list(channel: string): Promise<ReadonlyMap<string, ClientInfo>> {
    const everywhere = await this.#try(link =>
      link.call(scripts => scripts.listPresence(this.#keys.presence(channel))),
    )
    const list = new Map<string, ClientInfo>()
    for (const [client, value] of everywhere ?? []) list.set(client, decode(client, value))
    for (const [client, info] of this.#here.of(channel)) list.set(client, info)
    return list
  }

  async stats(channel: string): Promise<PresenceStats> {
    const everywhere = await this.#try(link =>
      link.call(scripts => scripts.countPresence(this.#keys.presence(channel))),
    )
    const here = this.#here.of(channel)
    const users = new Set([...here.values()].map(info => info.user)).size
    return {
      clients: Math.max(here.size, everywhere?.clients ?? 0),
      users: Math.max(users, everywhere?.users ?? 0),
    }
  }

  /** Takes all of this node's entries out. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#refreshing
    for (const { channel, infos } of this.#here.portions(clientsAtOnce))
      for (const { client } of infos) void this.#leaves.add(channel, client)
    this.#here.clear()
    await this.#leaves.idle()
  }

  async #tellLeaves(leaves: readonly Leaves[]): Promise<void> {
    const calls = leaves.map(({ channel, clients }) => ({ keys: this.#keys.presence(channel), clients }))
    await this.#try(link => link.call(scripts => scripts.leavePresence(calls)))
  }

  #refreshDue(): void {
    if (this.#refreshing || !this.#link?.passing) return
    this.#refreshing = this.#refresh().finally(() => {
      this.#refreshing = undefined
    })
  }

  async #refresh(): Promise<void> {
    const now = performance.now()
    for (;;) {
      const due = this.#here.takeDue(now, channelsAtOnce, () => this.#nextRefresh())
      if (due.length === 0) return
      // Encoded in the same turn as it is sent: a leave after it stands behind it on the connection.
      const calls = due.flatMap(({ channel, infos }) => {
        const portions = []
        for (let i = 0; i < infos.length; i += clientsAtOnce) {
          portions.push({ keys: this.#keys.presence(channel), infos: infos.slice(i, i + clientsAtOnce) })
        }
        return portions
      })
      await this.#try(link => link.call(scripts => scripts.enterPresence(calls, this.#ttlMs)))
    }
  }

  #nextRefresh(): number {
    return performance.now() + this.#refreshMs * (0.8 + Math.random() * 0.4)
  }

  /** Undefined where Redis is away, or fails: presence goes on with what this node knows. */
  async #try<T>(act: (link: RedisLink) => Promise<T>): Promise<T | undefined> {
    if (!this.#link?.passing) return undefined
    try {
      return await act(this.#link)
    } catch {
      return undefined
    }
  }
}

/** `<user>\n<infos>` as the script keeps it; the infos are JSON texts within JSON, so they come back untouched. */
function decode(client: string, value: string): ClientInfo {
  const end = value.indexOf('\n')
  const user = JSON.parse(value.slice(0, end)) as string
  const [connInfo, chanInfo] = JSON.parse(value.slice(end + 1)) as (string | null)[]
  return { client, user, ...(connInfo && { connInfo }), ...(chanInfo && { chanInfo }) }
}
