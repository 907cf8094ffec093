import type { ClientInfo } from '../domain/index.ts'
import type { Keys } from './keys.ts'
import { type Leaves, PresenceLeaves } from './presence-leaves.ts'
import { type Portion, PresentHere } from './present-here.ts'
import type { RedisLink } from './redis-link.ts'
import type { Scripts } from './scripts.ts'
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
/** What Redis would not take is said again after this time. */
const againMs = 5_000

/**
 * Who is in which channel, over all nodes, in Redis, and of this node in memory. This node's own entries are
 * refreshed in small portions before they expire; after a time without Redis all of them are announced again, and who
 * has left meanwhile is taken out. While Redis is away or slow this node's own view is the answer, at once: nothing here
 * throws.
 */
export class RedisPresence implements Presence {
  readonly #link: RedisLink | undefined
  readonly #keys: Keys
  readonly #ttlMs: number
  readonly #refreshMs: number
  readonly #here = new PresentHere()
  readonly #leaves = new PresenceLeaves(
    leaves => this.#tellLeaves(leaves),
    (channel, client) => this.#here.of(channel).has(client),
  )
  readonly #timer: NodeJS.Timeout
  #refreshing: Promise<void> | undefined

  constructor(link: RedisLink | undefined, keys: Keys, timings: PresenceTimings) {
    this.#link = link
    this.#keys = keys
    this.#ttlMs = timings.presenceTtlMs
    this.#refreshMs = timings.presenceRefreshMs
    this.#timer = setInterval(() => this.#upkeep(), Math.max(10, this.#refreshMs / steps))
    this.#timer.unref()
    link?.onPassing(() => {
      this.#here.allDue()
      this.#upkeep()
    })
  }

  /** Resolves when other nodes can see it, or at once where they can't be told. */
  async enter(channel: string, info: ClientInfo): Promise<void> {
    this.#leaves.takeBack(channel, info.client)
    this.#here.add(channel, info, this.#nextRefresh())
    await this.#link?.whilePrompt(this.#announce([{ channel, infos: [info] }]))
  }

  async leave(channel: string, info: ClientInfo): Promise<void> {
    if (!this.#here.remove(channel, info.client)) return
    await this.#link?.whilePrompt(this.#leaves.add(channel, info.client))
  }

  async list(channel: string): Promise<ReadonlyMap<string, ClientInfo>> {
    const gone = this.#leaves.of(channel)
    const everywhere = await this.#ask(scripts => scripts.listPresence(this.#keys.presence(channel)))
    const list = new Map<string, ClientInfo>()
    for (const [client, value] of everywhere ?? [])
      if (!gone.has(client)) list.set(client, decode(client, value))
    for (const [client, info] of this.#here.of(channel)) list.set(client, info)
    return list
  }

  async stats(channel: string): Promise<PresenceStats> {
    // Whether Redis counts those who have left, it can't say.
    if (this.#leaves.of(channel).size > 0) {
      const list = await this.list(channel)
      return { clients: list.size, users: countUsers(list) }
    }
    const everywhere = await this.#ask(scripts => scripts.countPresence(this.#keys.presence(channel)))
    const here = this.#here.of(channel)
    return {
      clients: Math.max(here.size, everywhere?.clients ?? 0),
      users: Math.max(countUsers(here), everywhere?.users ?? 0),
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

  async #tellLeaves(leaves: readonly Leaves[]): Promise<boolean> {
    const calls = leaves.map(({ channel, clients }) => ({ keys: this.#keys.presence(channel), clients }))
    const link = this.#link
    return (await this.#try(scripts => scripts.leavePresence(calls, link?.notAfter() ?? 0))) === 'done'
  }

  #upkeep(): void {
    if (!this.#link?.passing) return
    void this.#leaves.tellAgain()
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined
    })
  }

  /** One portion after the other, and none more where one was not taken: the next round tries those behind it. */
  async #refresh(): Promise<void> {
    const now = performance.now()
    for (;;) {
      const due = this.#here.takeDue(now, channelsAtOnce, () => this.#nextRefresh())
      if (due.length === 0 || !(await this.#announce(due))) return
    }
  }

  /** Encoded in the same turn as it is sent: a leave after it stands behind it on the connection. */
  async #announce(portions: readonly Portion[]): Promise<boolean> {
    const calls = portions.flatMap(({ channel, infos }) => {
      const parts = []
      for (let i = 0; i < infos.length; i += clientsAtOnce) {
        parts.push({ keys: this.#keys.presence(channel), infos: infos.slice(i, i + clientsAtOnce) })
      }
      return parts
    })
    const link = this.#link
    const told = await this.#try(scripts => scripts.enterPresence(calls, this.#ttlMs, link?.notAfter() ?? 0))
    if (told === 'done') return true
    const again = performance.now() + againMs
    for (const { channel } of portions) this.#here.due(channel, again)
    return false
  }

  #nextRefresh(): number {
    return performance.now() + this.#refreshMs * (0.8 + Math.random() * 0.4)
  }

  /** What Redis says, if it says it promptly. */
  #ask<T>(act: (scripts: Scripts) => Promise<T>): Promise<T | undefined> {
    if (!this.#link?.prompt) return Promise.resolve(undefined)
    return this.#link.whilePrompt(this.#try(act))
  }

  /** Undefined where Redis is away, or fails: presence goes on with what this node knows. */
  async #try<T>(act: (scripts: Scripts) => Promise<T>): Promise<T | undefined> {
    if (!this.#link?.passing) return undefined
    try {
      return await this.#link.call(act)
    } catch {
      return undefined
    }
  }
}

function countUsers(list: ReadonlyMap<string, ClientInfo>): number {
  return new Set([...list.values()].map(info => info.user)).size
}

/** `<user>\n<infos>` as the script keeps it; the infos are JSON texts within JSON, so they come back untouched. */
function decode(client: string, value: string): ClientInfo {
  const end = value.indexOf('\n')
  const user = JSON.parse(value.slice(0, end)) as string
  const [connInfo, chanInfo] = JSON.parse(value.slice(end + 1)) as (string | null)[]
  return { client, user, ...(connInfo && { connInfo }), ...(chanInfo && { chanInfo }) }
}
