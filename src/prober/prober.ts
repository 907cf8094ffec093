import { randomUUID } from 'node:crypto'
import type { Tier } from '../domain/index.ts'
import type { Logger } from '../platform/index.ts'
import { Unanswered } from './connection.ts'
import { type BusView, Flights } from './flights.ts'
import { CanaryLine } from './line.ts'
import { type CanaryMessage, canaryMessage, type Heard } from './messages.ts'
import { Neighbours } from './neighbours.ts'
import type { CanaryPass } from './pass.ts'
import { canaryChannel } from './places.ts'
import type { CanaryRecord } from './record.ts'
import type { Tallies } from './tallies.ts'

export interface ProberOptions {
  /** The node's id, unique among all and all their lives. */
  readonly node: string
  /** The WebSocket endpoint of the node's own listener. */
  readonly address: string
  readonly pass: CanaryPass
  readonly tiers: readonly Tier[]
  readonly intervalMs: number
  readonly deadlineMs: number
  readonly tallies: Tallies
  /** Where is kept what the own canary was told of its durable channel. */
  readonly record: CanaryRecord
  /** Other nodes with canaries that were heard of lately. */
  readonly others: () => readonly string[]
  readonly bus: () => BusView
  /** Whether events may be appended now: not beside nodes that would take them for the application's. */
  readonly mayAppend: () => boolean
  readonly logger: Logger
}

/** A new connection each time that so many intervals have gone by, so that handshakes are probed as well. */
const turnsPerConnection = 12
/** Listeners say again that they are there: what they said first may be lost. */
const turnsPerHello = 6
const goodbyeMs = 500
/** A node that starts may take so long to let its canary follow a tier; after that, users are not let either. */
const beginsWithinMs = 30_000

/**
 * The canaries of one node: a client of its own that publishes and appends, hears itself, answers the canaries of two other
 * nodes, and expects answers from those that listen to it.
 */
export class Prober {
  readonly #options: ProberOptions
  readonly #line: CanaryLine
  readonly #flights: Flights
  readonly #neighbours: Neighbours
  #turns = 0
  #probes = 0
  #timer: NodeJS.Timeout | undefined
  #connecting = false
  readonly #begun = new Set<Tier>()
  #startedAt = performance.now()
  #resting = false
  #closed = false

  constructor(options: ProberOptions) {
    this.#options = options
    const { address, pass, deadlineMs, tallies, bus, record } = options
    this.#neighbours = new Neighbours(options)
    this.#flights = new Flights({
      ...{ deadlineMs, tallies, bus },
      listening: node => this.#neighbours.listening(node),
    })
    const own = this.#own('durable')
    this.#line = new CanaryLine({
      ...{ address, deadlineMs, token: pass.secret },
      onHeard: heard => this.#hear(heard),
      onPlace: (channel, { epoch, offset }, anew) => {
        if (channel === own && anew) record.begin(epoch, offset)
      },
      onOutOfOrder: channel => {
        if (channel === own) record.outOfOrder++
      },
    })
  }

  /** Other nodes that answer. */
  get listeners(): number {
    return this.#neighbours.listeners.size
  }

  /** How long the certificate of the node's listener is still valid; undefined without TLS or connection. */
  get certificateSeconds(): number | undefined {
    return this.#line.certificateSeconds
  }

  follows(channel: string): boolean {
    return this.#line.follows(channel)
  }

  start(): void {
    this.#startedAt = performance.now()
    this.#options.tallies.begin()
    this.#schedule(0)
  }

  /** Tells whom it listens to that it goes, and ends: before the node begins to stop, so that nobody waits for its answers. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    this.#flights.close()
    const { tiers, bus } = this.#options
    // Where the bus is away nobody hears it there, and everybody waits for answers to events.
    const over = !bus().connected && tiers.includes('durable') && !this.#resting ? 'durable' : 'realtime'
    const said = Promise.allSettled(this.#neighbours.heard.map(node => this.#tell('bye', node, over)))
    let patience: NodeJS.Timeout | undefined
    const enough = new Promise<void>(resolve => {
      patience = setTimeout(resolve, goodbyeMs)
    })
    await Promise.race([said, enough])
    clearTimeout(patience)
    this.#line.close()
  }

  #schedule(inMs: number): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.#takeTurn().catch(error =>
        this.#options.logger.warn({ err: error }, 'a turn of the canaries failed'),
      )
      this.#schedule(this.#options.intervalMs)
    }, inMs)
    this.#timer.unref()
  }

  async #takeTurn(): Promise<void> {
    const turn = this.#turns++
    if (!this.#line.open || turn % turnsPerConnection === 0) {
      await this.#connectOnce()
    }
    if (this.#closed) return
    const { tiers } = this.#options
    await this.#line.follow(tiers.map(tier => ({ channel: this.#own(tier), durable: tier === 'durable' })))
    void this.#meet(turn)
    if (this.#closed) return
    for (const tier of tiers) if (this.#begins(tier) && !this.#rests(tier)) void this.#probe(tier)
  }

  /** Only once it has stood: while a node starts nobody is served yet, and nobody misses anything. But not for ever. */
  #begins(tier: Tier): boolean {
    if (this.#line.follows(this.#own(tier))) this.#begun.add(tier)
    if (this.#begun.has(tier)) return true
    if (performance.now() - this.#startedAt > beginsWithinMs)
      this.#options.tallies.failed({ tier, path: 'local' }, this.#line.troubleWith(this.#own(tier)))
    return false
  }

  /** Of what nobody tries, nobody can say how old the last success is. */
  #rests(tier: Tier): boolean {
    if (tier === 'realtime') return false
    const rests = !this.#options.mayAppend()
    if (rests !== this.#resting) this.#options.tallies.rest(tier, rests)
    this.#resting = rests
    return rests
  }

  /** While one is under way, which may take until its deadline, the next turn goes on without. */
  async #connectOnce(): Promise<void> {
    if (this.#connecting) return
    this.#connecting = true
    await this.#connect()
    this.#connecting = false
  }

  async #connect(): Promise<void> {
    const { tallies } = this.#options
    const beganAt = performance.now()
    try {
      await this.#line.connect()
      tallies.succeeded({ tier: undefined, path: 'connect' }, performance.now() - beganAt)
    } catch (error) {
      if (this.#closed) return
      const reason = error instanceof Unanswered ? 'unanswered' : 'refused'
      tallies.failed({ tier: undefined, path: 'connect' }, reason)
    }
  }

  /** Looks who else is there, and says so to whom it listens. */
  async #meet(turn: number): Promise<void> {
    const { joined, left } = this.#neighbours.look()
    const { tiers } = this.#options
    for (const node of left) {
      void this.#tell('bye', node).catch(() => undefined)
      for (const tier of tiers) {
        const channel = canaryChannel(tier, node)
        const shared = [this.#options.node, ...this.#neighbours.heard]
        if (!shared.some(each => canaryChannel(tier, each) === channel)) await this.#line.leave(channel)
      }
    }
    for (const node of this.#neighbours.heard) {
      const channels = tiers.map(tier => ({
        channel: canaryChannel(tier, node),
        durable: tier === 'durable',
      }))
      await this.#line.follow(channels)
      const follows = channels.every(({ channel }) => this.#line.follows(channel))
      if (follows && (joined.includes(node) || turn % turnsPerHello === 0)) await this.#tell('hello', node)
    }
  }

  async #probe(tier: Tier): Promise<void> {
    const { tallies, node, record } = this.#options
    if (!this.#line.open) {
      tallies.failed({ tier, path: 'accept' }, 'unconnected')
      return
    }
    const n = ++this.#probes
    const listeners = [...this.#neighbours.listeners].filter(each => this.#neighbours.listening(each))
    this.#flights.begin(tier, n, listeners)
    try {
      const reply = await this.#say(tier, node, { kind: 'probe', node, n })
      if (this.#closed) return
      if (reply.error) {
        tallies.failed({ tier, path: 'accept' }, 'refused')
        this.#flights.refused(tier, n)
        return
      }
      const { data } = reply.result as { data?: { offset: number; epoch: string; id: string } }
      if (data) record.tell(data.epoch, { offset: data.offset, id: data.id })
      this.#flights.accepted(tier, n, data?.offset)
    } catch {
      if (this.#closed) return
      tallies.failed({ tier, path: 'accept' }, 'unanswered')
      this.#flights.refused(tier, n)
    }
  }

  #hear({ channel, offset, id, data }: Heard): void {
    const tier: Tier = offset === undefined ? 'realtime' : 'durable'
    const own = channel === this.#own(tier)
    if (own && offset !== undefined && id !== undefined)
      this.#options.record.receive({ offset, id, data: JSON.stringify(data) })
    const said = canaryMessage(data)
    if (!said || this.#closed) return
    if (said.node === this.#options.node) this.#hearOwn(tier, said, offset)
    else if (said.kind === 'probe' && this.#neighbours.heard.includes(said.node)) {
      const { node, n } = said
      this.#say(tier, node, { kind: 'echo', node, n, from: this.#options.node }).catch(() => undefined)
    }
  }

  #hearOwn(tier: Tier, said: CanaryMessage, offset: number | undefined): void {
    if (said.kind === 'probe') this.#flights.heard(tier, said.n, offset)
    else if (said.kind === 'echo') this.#flights.echoed(tier, said.n, said.from)
    else this.#neighbours[said.kind](said.from)
  }

  #tell(kind: 'hello' | 'bye', node: string, over: Tier = 'realtime'): Promise<unknown> {
    return this.#say(over, node, { kind, node, from: this.#options.node })
  }

  #say(tier: Tier, node: string, data: CanaryMessage) {
    const channel = canaryChannel(tier, node)
    if (tier === 'realtime') return this.#line.call({ publish: { channel, data } })
    const append = { channel, type: 'Canary', id: randomUUID(), data }
    return this.#line.call({ rpc: { method: 'holdfast.append', data: append } })
  }

  #own(tier: Tier): string {
    return canaryChannel(tier, this.#options.node)
  }
}
