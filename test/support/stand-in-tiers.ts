import type { Appended, ClientInfo, NewEvent, Position } from '../../src/domain/index.ts'
import type { DurableTier } from '../../src/durable/index.ts'
import { FanOut, type HistoryPage, Lane, type Outlet, type Subscription } from '../../src/hub/index.ts'
import {
  encodeClientInfo,
  encodeEvent,
  encodePublication,
  pushJoin,
  pushLeave,
  pushPublication,
} from '../../src/protocol/index.ts'
import type { RealtimeTier } from '../../src/realtime/index.ts'
import { Buckets } from '../../src/telemetry/index.ts'

/*
 * Both tiers in the memory of one process, with gates that a test may close: for tests of the gateway, which
 * promises the same whatever a tier does. The tiers themselves are tested against the real Redis and Postgres.
 */

/** Holds callers back while it is closed. */
export class Gate {
  #open: PromiseWithResolvers<void> | undefined
  waiting = 0

  close(): void {
    this.#open ??= Promise.withResolvers()
  }

  open(): void {
    this.#open?.resolve()
    this.#open = undefined
  }

  async pass(): Promise<void> {
    if (!this.#open) return
    this.waiting++
    await this.#open.promise
    this.waiting--
  }
}

const unpositioned: Omit<Subscription, 'join'> = {
  recoverable: false,
  positioned: false,
  wasRecovering: false,
  recovered: false,
  publications: [],
}

class Rooms {
  readonly fanOuts = new Map<string, FanOut>()
  readonly #lane: Lane

  constructor(lane: Lane) {
    this.#lane = lane
  }

  of(channel: string): FanOut {
    const found = this.fanOuts.get(channel) ?? new FanOut(this.#lane)
    this.fanOuts.set(channel, found)
    return found
  }

  leave(channel: string, client: string): void {
    const room = this.fanOuts.get(channel)
    room?.remove(client)
    if (room?.size === 0) this.fanOuts.delete(channel)
  }

  counts(): Map<string, number> {
    return new Map(
      [...this.fanOuts].filter(([, room]) => room.size > 0).map(([name, room]) => [name, room.size]),
    )
  }
}

export class StandInRealtime implements RealtimeTier {
  readonly subscribing = new Gate()
  readonly rooms = new Rooms(Lane.realtime)
  readonly present = new Map<string, Map<string, ClientInfo>>()
  /** Who has subscribed, joined or not. */
  readonly known = new Set<string>()
  readonly connected = true
  readonly losses = 0
  readonly counts = {
    dropped: { away: 0, full: 0, late: 0, unanswered: 0, stale: 0 },
    unnumbered: 0,
    loop: { losses: 0, resubscribed: 0 },
    busLatency: new Buckets(),
  }
  readonly numbering = true
  readonly control = { send: () => undefined, onMessage: () => () => undefined }
  readonly presence: RealtimeTier['presence'] = {
    enter: async (channel, info) => {
      const clients = this.present.get(channel) ?? new Map<string, ClientInfo>()
      this.present.set(channel, clients.set(info.client, info))
    },
    leave: async (channel, info) => {
      const clients = this.present.get(channel)
      clients?.delete(info.client)
      if (clients?.size === 0) this.present.delete(channel)
    },
    list: async channel => new Map(this.present.get(channel) ?? []),
    stats: async channel => {
      const clients = [...(this.present.get(channel)?.values() ?? [])]
      return { clients: clients.length, users: new Set(clients.map(info => info.user)).size }
    },
  }

  async subscribe({ channel, outlet }: { channel: string; outlet: Outlet }): Promise<Subscription> {
    await this.subscribing.pass()
    this.known.add(`${outlet.client} ${channel}`)
    return { ...unpositioned, join: () => this.rooms.of(channel).add(outlet) }
  }

  unsubscribe(channel: string, client: string): void {
    this.known.delete(`${client} ${channel}`)
    this.rooms.leave(channel, client)
  }

  async publish(publication: { channel: string; data: string; info?: ClientInfo }): Promise<undefined> {
    this.rooms
      .of(publication.channel)
      .publish(pushPublication(publication.channel, encodePublication(publication)))
  }

  signal({ channel, data, info, to, exclude }: Parameters<RealtimeTier['signal']>[0]): void {
    const line = pushPublication(
      channel,
      encodePublication({ data, ...(info === undefined ? {} : { info }) }),
    )
    this.rooms.of(channel).publishTo(line, outlet => {
      if (outlet.client === exclude) return false
      if (to === undefined) return true
      return 'client' in to ? outlet.client === to.client : outlet.user === to.user
    })
  }

  announce(channel: string, kind: 'join' | 'leave', info: ClientInfo): void {
    this.rooms.of(channel).publish(kind === 'join' ? pushJoin(channel, info) : pushLeave(channel, info))
  }

  async history(): Promise<HistoryPage> {
    return { publications: ['{"data":1,"offset":1}'], offset: 1, epoch: 'e' }
  }

  channels(): ReadonlyMap<string, number> {
    return this.rooms.counts()
  }

  async close(): Promise<void> {}
}

export class StandInDurable implements DurableTier {
  readonly committing = new Gate()
  readonly subscribing = new Gate()
  readonly rooms = new Rooms(Lane.durable)
  readonly events = new Map<string, string[]>()
  /** Outlets by client, as the last subscribe gave them. */
  readonly outlets = new Map<string, Outlet>()
  /** How many appends were under way at once, at most. */
  mostInFlight = 0
  #inFlight = 0

  async append(event: NewEvent): Promise<Appended> {
    this.mostInFlight = Math.max(this.mostInFlight, ++this.#inFlight)
    await this.committing.pass()
    this.#inFlight--
    const lines = this.events.get(event.channel) ?? []
    this.events.set(event.channel, lines)
    const appended = {
      offset: lines.length + 1,
      epoch: 'ledger',
      id: event.id ?? 'made',
      time: 5,
      duplicate: false,
    }
    const meta = event.info === undefined ? null : encodeClientInfo(event.info)
    const line = encodeEvent({ ...appended, type: event.type, data: event.data, meta })
    lines.push(line)
    this.rooms.of(event.channel).publish(pushPublication(event.channel, line))
    return appended
  }

  async subscribe(request: Parameters<DurableTier['subscribe']>[0]): Promise<Subscription> {
    const { channel, outlet, recover } = request
    await this.subscribing.pass()
    this.outlets.set(outlet.client, outlet)
    const lines = this.events.get(channel) ?? []
    const recovered = recover !== undefined && recover.offset <= lines.length
    const position: Position = { epoch: 'ledger', offset: recovered ? recover.offset : lines.length }
    return {
      position,
      recoverable: true,
      positioned: true,
      wasRecovering: recover !== undefined,
      recovered,
      publications: recovered ? lines.slice(recover.offset) : [],
      join: () => this.rooms.of(channel).add(outlet),
    }
  }

  unsubscribe(channel: string, client: string): void {
    this.outlets.delete(client)
    this.rooms.leave(channel, client)
  }

  async history(request: Parameters<DurableTier['history']>[0]): Promise<HistoryPage> {
    const lines = this.events.get(request.channel) ?? []
    const from = request.since?.offset ?? 0
    const page = lines.slice(from, from + request.limit)
    return { publications: page, offset: lines.length, epoch: 'ledger' }
  }

  status(): ReturnType<DurableTier['status']> {
    return { ledger: 'ready', mirror: 'ready', epoch: 'ledger' }
  }

  channels(): ReadonlyMap<string, number> {
    return this.rooms.counts()
  }

  async close(): Promise<void> {}
}
