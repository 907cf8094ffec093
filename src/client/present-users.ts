import type { PresentUser } from './presence.ts'
import type { ClientInfo } from './types.ts'

type Step = { readonly kind: 'join' | 'leave'; readonly info: ClientInfo }

export interface UserChange {
  readonly joined: readonly PresentUser[]
  readonly left: readonly PresentUser[]
}

/** Steps kept while the server is asked who is there; a room that moves more than this is asked again. */
const maxSteps = 10_000

/**
 * The deciding half of presence: connections merged to users, in the order in which these came. Knows no clock: who
 * has no connection left is `away` until told that the time for coming back is over.
 */
export class PresentUsers {
  readonly #users = new Map<string, Map<string, ClientInfo>>()
  #list: readonly PresentUser[] = []
  /** What has come since the server was asked: its answer may not know of it. */
  #since: Step[] | undefined

  get list(): readonly PresentUser[] {
    return this.#list
  }

  /** Users without a connection. */
  get away(): readonly string[] {
    return [...this.#users].flatMap(([key, clients]) => (clients.size === 0 ? [key] : []))
  }

  isAway(key: string): boolean {
    return this.#users.get(key)?.size === 0
  }

  /** The server is being asked. */
  asking(): void {
    this.#since = []
  }

  /**
   * The server's answer; of a node that does not reach the others it is only a `part`, and takes nobody away. Undefined: too
   * much has happened meanwhile, it has to be asked again.
   */
  answer(clients: Readonly<Record<string, ClientInfo>>, part = false): UserChange | undefined {
    const steps = this.#since ?? []
    this.#since = undefined
    if (steps.length >= maxSteps) return undefined
    const before = this.#list
    for (const present of part ? [] : this.#users.values()) {
      for (const id of present.keys()) if (!Object.hasOwn(clients, id)) present.delete(id)
    }
    for (const info of Object.values(clients)) this.#put(info)
    for (const step of steps) this.#apply(step)
    return this.#changedFrom(before)
  }

  step(kind: Step['kind'], info: ClientInfo): UserChange {
    const step = { kind, info }
    if (this.#since && this.#since.length < maxSteps) this.#since.push(step)
    const before = this.#list
    this.#apply(step)
    return this.#changedFrom(before)
  }

  /** Those among them who have not come back are gone. */
  forget(keys: Iterable<string>): UserChange {
    const before = this.#list
    for (const key of keys) if (this.isAway(key)) this.#users.delete(key)
    return this.#changedFrom(before)
  }

  #apply({ kind, info }: Step): void {
    if (kind === 'join') this.#put(info)
    else this.#users.get(keyOf(info))?.delete(info.client)
  }

  #put(info: ClientInfo): void {
    const key = keyOf(info)
    const clients = this.#users.get(key) ?? new Map<string, ClientInfo>()
    this.#users.set(key, clients.set(info.client, info))
  }

  #changedFrom(before: readonly PresentUser[]): UserChange {
    const old = new Map(before.map(user => [user.key, user]))
    const list = [...this.#users].map(([key, clients]) => asBefore(old.get(key), userOf(key, clients)))
    if (list.length !== before.length || list.some((user, i) => user !== before[i])) this.#list = list
    return {
      joined: list.filter(user => !old.has(user.key)),
      left: before.filter(user => !this.#users.has(user.key)),
    }
  }
}

/** An anonymous connection is nobody else's. */
function keyOf({ user, client }: ClientInfo): string {
  return user === '' ? ` ${client}` : user
}

function userOf(key: string, present: ReadonlyMap<string, ClientInfo>): PresentUser {
  const clients = [...present.values()]
  const newest = clients.at(-1)
  return { key, user: key.startsWith(' ') ? '' : key, clients, info: newest?.connInfo }
}

/** The same object where nothing has changed: a list of users is drawn anew only where it has. */
function asBefore(before: PresentUser | undefined, now: PresentUser): PresentUser {
  if (!before) return now
  if (now.clients.length === 0 && before.clients.length > 0) return { ...now, info: before.info }
  const same = now.clients.every((info, i) => sameInfo(info, before.clients[i]))
  return same && now.clients.length === before.clients.length ? before : now
}

function sameInfo(a: ClientInfo, b: ClientInfo | undefined): boolean {
  return textOf(a) === (b && textOf(b))
}

/** A join and an answer of the server may name the same fields in another order. */
function textOf({ client, connInfo, chanInfo }: ClientInfo): string {
  return JSON.stringify([client, connInfo, chanInfo])
}
