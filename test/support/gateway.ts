/** Stand-ins for the gateway's neighbours, for tests of one part of it. */
import {
  type ClientInfo,
  HoldfastError,
  type NamespaceOptions,
  namespaceOf,
  newEventId,
} from '../../src/domain/index.ts'
import type { Router, SessionHandle, Sessions } from '../../src/gateway/index.ts'
import { encodePublication } from '../../src/protocol/index.ts'
import type { Control } from '../../src/realtime/index.ts'

/** Nodes that hear each other at once; `cut` nodes neither hear nor are heard. */
export class ControlRoom {
  readonly cut = new Set<string>()
  /** Messages for which this is true get lost. */
  lose: (message: unknown) => boolean = () => false
  readonly #listeners = new Map<string, Set<(message: unknown, fromNode: string) => void>>()

  join(node: string): Control {
    const own = new Set<(message: unknown, fromNode: string) => void>()
    this.#listeners.set(node, own)
    return {
      send: message => {
        const text = JSON.stringify(message)
        if (this.lose(message)) return
        for (const [to, listeners] of this.#listeners) {
          if (to !== node && (this.cut.has(to) || this.cut.has(node))) continue
          for (const listener of listeners) queueMicrotask(() => listener(JSON.parse(text), node))
        }
      },
      onMessage(listener) {
        own.add(listener)
        return () => own.delete(listener)
      },
    }
  }
}

/** Sessions that remember what was done to them. */
export class RecordedSessions implements Sessions {
  readonly #all = new Map<string, SessionHandle>()
  readonly done: string[] = []

  add(client: string, user: string, failing?: HoldfastError): void {
    const note = (act: string, ...rest: unknown[]) => {
      this.done.push([act, client, ...rest.map(each => JSON.stringify(each))].join(' '))
    }
    this.#all.set(client, {
      client,
      user,
      channels: () => [],
      disconnect: (code, reason) => {
        this.#all.delete(client)
        note('disconnect', code, reason)
      },
      unsubscribe: (channel, code, reason) => note('unsubscribe', channel, code, reason),
      subscribe: async (channel, options) => {
        if (failing) throw failing
        note('subscribe', channel, options)
      },
      refresh: options => note('refresh', options),
    })
  }

  get size(): number {
    return this.#all.size
  }

  get(client: string): SessionHandle | undefined {
    return this.#all.get(client)
  }

  ofUser(user: string): Iterable<SessionHandle> {
    return [...this.#all.values()].filter(session => session.user === user)
  }

  userCount(): number {
    return new Set([...this.#all.values()].map(session => session.user)).size
  }
}

type Event = { data: string; type: string; id: string }

/** A router over maps: enough to see what the API asks for and does with the answers. */
export class MemoryRouter implements Router {
  readonly asked: Record<string, unknown>[] = []
  readonly #namespaces: Readonly<Record<string, NamespaceOptions>>
  readonly #events = new Map<string, Event[]>()
  readonly present = new Map<string, ClientInfo>()
  subscribers = new Map<string, number>()
  state: ReturnType<Router['status']> = {
    bus: 'ready',
    busLosses: 0,
    durable: { ledger: 'ready', mirror: 'ready', epoch: 'e1' },
  }
  failing: unknown

  constructor(namespaces: Readonly<Record<string, NamespaceOptions>>) {
    this.#namespaces = namespaces
  }

  options(channel: string): NamespaceOptions {
    const found = this.#namespaces[namespaceOf(channel)]
    if (!found) throw new HoldfastError('CHANNEL_UNKNOWN', `the namespace of ${channel} is not declared`)
    return found
  }

  async publish(publication: Parameters<Router['publish']>[0]) {
    const durable = this.options(publication.channel).tier === 'durable'
    if (this.failing) throw this.failing
    this.asked.push({ ...publication })
    return durable ? { epoch: 'e1', offset: this.asked.length } : undefined
  }

  async append(event: Parameters<Router['append']>[0]) {
    if (this.options(event.channel).tier !== 'durable') {
      throw new HoldfastError('NOT_AVAILABLE', `${event.channel} is not durable`)
    }
    if (this.failing) throw this.failing
    this.asked.push({ ...event })
    const events = this.#events.get(event.channel) ?? []
    this.#events.set(event.channel, events)
    const found = events.findIndex(each => each.id === event.id)
    if (found < 0 && event.expectedOffset !== undefined && event.expectedOffset !== events.length) {
      throw new HoldfastError('OFFSET_CONFLICT', 'conflict', { details: { head: events.length } })
    }
    const id = event.id ?? newEventId()
    if (found < 0) events.push({ data: event.data, type: event.type, id })
    const offset = found < 0 ? events.length : found + 1
    return { offset, epoch: 'e1', id, time: 5, duplicate: found >= 0 }
  }

  async signal(): Promise<void> {}

  async history(request: Parameters<Router['history']>[0]) {
    this.options(request.channel)
    this.asked.push({ ...request })
    const since = request.since
    if (since && since.epoch !== '' && since.epoch !== 'e1') {
      throw new HoldfastError('POSITION_LOST', 'another epoch')
    }
    const events = this.#events.get(request.channel) ?? []
    const publications = events
      .map(({ data, type, id }, index) => encodePublication({ data, offset: index + 1, tags: { id, type } }))
      .slice(since?.offset ?? 0)
      .slice(0, request.limit)
    return { publications, offset: events.length, epoch: 'e1', floor: 0 }
  }

  async presence(channel: string) {
    this.#checkPresence(channel)
    return this.present
  }

  async presenceStats(channel: string) {
    this.#checkPresence(channel)
    return {
      clients: this.present.size,
      users: new Set([...this.present.values()].map(info => info.user)).size,
    }
  }

  #checkPresence(channel: string): void {
    if (!this.options(channel).presence) throw new HoldfastError('NOT_AVAILABLE', 'no presence')
  }

  channels(): ReadonlyMap<string, number> {
    return this.subscribers
  }

  status() {
    return this.state
  }
}
