import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

/** An event as the stand-in keeps it. */
export interface Kept {
  readonly offset: number
  readonly id: string
  readonly type: string
  readonly data: unknown
  readonly time: number
}

export interface AppendRequest {
  readonly channel: string
  readonly type: string
  readonly data: unknown
  readonly id: string
  readonly expectedOffset?: number
}

/** What happens to an append: recorded and answered, refused, lost on the way there or back, or never answered. */
export type Fate =
  | 'answer'
  | 'lose_request'
  | 'lose_reply'
  | 'never'
  | { readonly error: { code: number; message: string; temporary?: boolean } }

/** What the nodes of one scripted cluster share: a ledger in memory, and the script of its failures. */
export class Script {
  epoch = 'epoch-1'
  readonly channels = new Map<string, Kept[]>()
  readonly appends: AppendRequest[] = []
  readonly calls: { method: string; data: unknown }[] = []
  readonly histories: { since?: { offset: number; epoch?: string }; limit?: number }[] = []
  /** By channel, the last offset that retention removed. */
  readonly floors = new Map<string, number>()
  /** The one user's cursors, by channel and name. */
  readonly cursors = new Map<string, { offset: number; epoch: string; moved: number }>()
  readonly acks: { channel: string; cursor: string; offset: number; epoch?: string; token?: string }[] = []
  /** What becomes of an ack or a question for a cursor. */
  cursorFate: (method: string) => Fate = () => 'answer'
  /** Above so many missed events a subscription is answered `recovered: false`. */
  maxRecovered = Number.POSITIVE_INFINITY
  pageSize = 100
  /** Refuses every connect command. */
  connectError: { code: number; message: string } | undefined
  fate: (request: AppendRequest) => Fate = () => 'answer'
  historyError: () => { code: number; message: string; temporary?: boolean } | undefined = () => undefined
  /** Whether a push arrives; the connection stays, which a real server would never do to a recoverable channel. */
  arrives: (event: Kept) => boolean = () => true
  /** Channels that were subscribed to, in order, and those that were let go of. */
  readonly subscribes: string[] = []
  readonly unsubscribes: string[] = []
  /** Channels that do not number what is published. */
  readonly unnumbered = new Set<string>()
  /** Who is there, by the id of the connection. */
  present: Record<string, { user: string; client: string; conn_info?: unknown }> = {
    'client-1': { user: 'ann', client: 'client-1', conn_info: { n: 1 } },
  }
  presences = 0
  presenceError: () => { code: number; message: string; temporary?: boolean } | undefined = () => undefined
  /** What a node says of itself; undefined: it does not know the question. */
  state: object | undefined
  /** Of the question for it. */
  stateError: () => { code: number; message: string; temporary?: boolean } | undefined = () => undefined
  readonly nodes: ScriptedNode[] = []

  events(channel: string): Kept[] {
    const found = this.channels.get(channel)
    if (found) return found
    const made: Kept[] = []
    this.channels.set(channel, made)
    return made
  }

  kept(channel: string): Kept[] {
    return this.events(channel).filter(event => event.offset > (this.floors.get(channel) ?? 0))
  }

  head(channel: string): number {
    return this.events(channel).length
  }

  record(
    channel: string,
    type: string,
    data: unknown,
    id: string = crypto.randomUUID(),
  ): { event: Kept; duplicate: boolean } {
    const events = this.events(channel)
    const same = events.find(event => event.id === id)
    if (same) return { event: same, duplicate: true }
    const event = { offset: events.length + 1, id, type, data, time: 1_700_000_000_000 + events.length }
    events.push(event)
    for (const node of this.nodes) node.push(channel, event)
    return { event, duplicate: false }
  }

  async node(): Promise<ScriptedNode> {
    const node = new ScriptedNode(this)
    await node.listening
    this.nodes.push(node)
    return node
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map(node => node.close()))
  }
}

export const publicationOf = ({ offset, id, type, data, time }: Kept) => ({
  data,
  offset,
  tags: { id, type },
  time,
})

type Body = Record<string, unknown> & { channel: string }

/** A stand-in for the network and a node behind it, which speaks the protocol and fails by script. */
export class ScriptedNode {
  readonly #script: Script
  readonly #server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  readonly #subscribers = new Map<string, Set<WebSocket>>()
  readonly listening: Promise<unknown>
  /** Connections that were opened in all. */
  opened = 0
  /** Answers nothing any more, like a frozen process. */
  frozen = false

  constructor(script: Script) {
    this.#script = script
    this.listening = once(this.#server, 'listening')
    this.#server.on('connection', socket => {
      this.opened++
      socket.on('message', text => {
        for (const line of String(text).split('\n')) this.#command(socket, JSON.parse(line))
      })
    })
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Cuts every connection, as a killed process does. */
  cut(): void {
    for (const socket of this.#server.clients) socket.terminate()
    this.#subscribers.clear()
  }

  disconnect(code: number, reason: string): void {
    for (const socket of this.#server.clients) socket.close(code, reason)
  }

  /** Pushes to the subscribers of a channel, whatever it is. */
  send(channel: string, push: object): void {
    for (const socket of this.#subscribers.get(channel) ?? [])
      this.#write(socket, { push: { channel, ...push } })
  }

  /** A message that belongs to no channel, to all. */
  message(data: unknown): void {
    for (const socket of this.#server.clients) this.#write(socket, { push: { message: { data } } })
  }

  push(channel: string, event: Kept): void {
    if (this.#script.arrives(event)) this.send(channel, { pub: publicationOf(event) })
  }

  async close(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #write(socket: WebSocket, reply: object): void {
    if (!this.frozen) socket.send(JSON.stringify(reply))
  }

  #command(socket: WebSocket, command: { id: number } & Record<string, Body>): void {
    if (this.frozen) return
    const reply = (result: object) => this.#write(socket, { id: command.id, ...result })
    const { connect, subscribe, unsubscribe, history, rpc, presence, publish } = command
    if (connect && this.#script.connectError) reply({ error: this.#script.connectError })
    else if (connect)
      reply({ connect: { client: crypto.randomUUID(), version: 'scripted', ping: 25, pong: true } })
    else if (subscribe) this.#subscribe(socket, subscribe, reply)
    else if (unsubscribe) {
      this.#script.unsubscribes.push(unsubscribe.channel)
      this.#subscribers.get(unsubscribe.channel)?.delete(socket)
      reply({ unsubscribe: {} })
    } else if (history) reply(this.#history(history))
    else if (presence) {
      this.#script.presences++
      const error = this.#script.presenceError()
      reply(error ? { error } : { presence: { presence: this.#script.present } })
    } else if (publish) {
      this.#script.record(publish.channel, 'publication', publish.data)
      reply({ publish: {} })
    } else if (rpc) {
      const answer = this.#rpc(rpc as unknown as { method: string; data: unknown })
      if (answer === 'cut') socket.terminate()
      else if (answer) reply(answer)
    }
  }

  #subscribe(socket: WebSocket, request: Body, reply: (result: object) => void): void {
    const { channel } = request
    const script = this.#script
    script.subscribes.push(channel)
    const known = this.#subscribers.get(channel) ?? new Set()
    this.#subscribers.set(channel, known.add(socket))
    if (script.unnumbered.has(channel)) {
      reply({ subscribe: {} })
      return
    }
    const offset = Number(request.offset ?? 0)
    const missed = script.kept(channel).filter(event => event.offset > offset)
    const recovered =
      (request.epoch === undefined || request.epoch === script.epoch) &&
      offset <= script.head(channel) &&
      offset >= (script.floors.get(channel) ?? 0) &&
      missed.length <= script.maxRecovered
    const positioned = { recoverable: true, positioned: true, epoch: script.epoch }
    if (request.recover && recovered) {
      const publications = missed.map(publicationOf)
      reply({ subscribe: { ...positioned, offset, publications, recovered: true, was_recovering: true } })
    } else {
      reply({
        subscribe: { ...positioned, offset: script.head(channel), was_recovering: request.recover === true },
      })
    }
  }

  #history(request: Body): object {
    const script = this.#script
    const since = request.since as { offset: number; epoch?: string } | undefined
    const limit = Math.min(Number(request.limit ?? 0), script.pageSize)
    script.histories.push({ ...(since && { since }), limit })
    const error = script.historyError()
    if (error) return { error }
    if (since?.epoch && since.epoch !== script.epoch)
      return { error: { code: 112, message: 'unrecoverable position' } }
    const publications = script
      .kept(request.channel)
      .filter(event => event.offset > (since?.offset ?? 0))
      .slice(0, limit)
      .map(publicationOf)
    return { history: { publications, epoch: script.epoch, offset: script.head(request.channel) } }
  }

  #rpc(call: { method: string; data: unknown }): object | 'cut' | undefined {
    const script = this.#script
    script.calls.push(call)
    const refused = call.method === 'holdfast.state' && script.stateError()
    if (refused) return { error: refused }
    if (call.method === 'holdfast.state' && script.state) return { rpc: { data: script.state } }
    if (call.method === 'holdfast.ack' || call.method === 'holdfast.cursor') return this.#cursor(call)
    if (call.method !== 'holdfast.append') {
      const known = call.method === 'echo' || call.method === 'holdfast.signal'
      return known ? { rpc: { data: call.data } } : { error: { code: 104, message: 'method not found' } }
    }
    const request = call.data as AppendRequest
    script.appends.push(request)
    const fate = script.fate(request)
    if (typeof fate === 'object') return fate
    if (fate === 'never') return undefined
    if (fate === 'lose_request') return 'cut'
    const head = script.head(request.channel)
    const known = script.events(request.channel).some(event => event.id === request.id)
    if (!known && request.expectedOffset !== undefined && request.expectedOffset !== head) {
      return { error: { code: 409, message: `offset conflict: the head is ${head}` } }
    }
    const { event, duplicate } = script.record(request.channel, request.type, request.data, request.id)
    if (fate === 'lose_reply') return 'cut'
    const { offset, id, time } = event
    return { rpc: { data: { offset, epoch: script.epoch, id, time, duplicate } } }
  }

  #cursor({ method, data }: { method: string; data: unknown }): object | 'cut' | undefined {
    const script = this.#script
    const request = data as (typeof script.acks)[number]
    const key = `${request.channel} ${request.cursor}`
    const head = script.head(request.channel)
    const fate = script.cursorFate(method)
    if (typeof fate === 'object') return fate
    if (fate === 'never') return undefined
    if (fate === 'lose_request') return 'cut'
    if (method === 'holdfast.cursor') {
      const kept = script.cursors.get(key)
      const { offset, epoch, moved } = kept ?? { offset: 0, epoch: script.epoch, moved: undefined }
      return { rpc: { data: { offset, epoch, head, lag: head - offset, moved } } }
    }
    script.acks.push(request)
    if (request.epoch && request.epoch !== script.epoch)
      return { error: { code: 112, message: 'unrecoverable position' } }
    if (request.offset > head) return { error: { code: 107, message: `bad request: has ${head} events` } }
    const before = script.cursors.get(key)
    const offset = Math.max(request.offset, before?.epoch === script.epoch ? before.offset : 0)
    script.cursors.set(key, { offset, epoch: script.epoch, moved: 1_700_000_000_000 })
    if (fate === 'lose_reply') return 'cut'
    return { rpc: { data: { offset, epoch: script.epoch } } }
  }
}
