// The load process of the fan-out scenarios: subscribers and publishers of one server under test.
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { answer } from '../stage/remote.ts'
import { type Pids, spentSince, usage } from '../stage/usage.ts'
import { type DialectName, dialects } from './dialects.ts'
import { inGroups } from './groups.ts'
import { type Percentiles, percentiles } from './latencies.ts'
import type { RawSocket } from './raw-socket.ts'
import { stamped } from './stamp.ts'
import { Subscriber, type Tally } from './subscriber.ts'
import { Sweep } from './sweep.ts'

export interface OpenFanOut {
  readonly dialect: DialectName
  readonly ports: readonly number[]
  readonly rooms: number
  /** Subscribers of each room, spread over the ports in turn. Each room's publisher is on its first one's port. */
  readonly perRoom: number
  /** Two of so many subscribers are sampled for latency. */
  readonly sampleEvery: number
}

export interface Step {
  /** Messages per second over all rooms, open loop: none waits for another. */
  readonly rate: number
  readonly seconds: number
  readonly warmSeconds: number
  /** Messages published at once, in one write. */
  readonly together: number
  readonly processes: Pids
}

export interface StepResult {
  readonly rate: number
  readonly expected: number
  readonly delivered: number
  /** Deliveries per second, from the first publication to the last delivery. */
  readonly perSecond: number
  readonly cross: Percentiles
  readonly local: Percentiles
  /** CPU microseconds per delivery of each named process; undefined where the system does not say. */
  readonly cpuUs: Readonly<Record<string, number | undefined>>
  /** The same of this load process. */
  readonly loadUs: number
  /** Cores this load process kept busy: near 1 it is the limit, not the server. */
  readonly loadCores: number
  /** Cores kept busy by processes that have no part in this, and stolen by the hypervisor. */
  readonly othersCores: number | undefined
  readonly stolenCores: number | undefined
  readonly closed: number
}

const drainMs = 3_000
const publishesPerTurn = 32
const warmStep = 99

class FanOutLoad {
  readonly #tally: Tally = { delivered: 0, lastAt: 0, step: warmStep, crossMs: [], localMs: [] }
  #publishers: RawSocket[] = []
  #subscribers: { socket: RawSocket; counter: Subscriber }[] = []
  #settings: OpenFanOut | undefined
  #sweep = new Sweep([])
  #lastId = 100
  #step = 10

  async open(settings: OpenFanOut): Promise<void> {
    this.close()
    this.#settings = settings
    const dialect = dialects[settings.dialect]
    const { ports, rooms, perRoom, sampleEvery } = settings
    const port = (i: number) => ports[i % ports.length] as number
    await inGroups(rooms * perRoom, 50, async i => {
      const room = Math.floor(i / perRoom)
      const socket = await dialect.connect(port(room + (i % perRoom)))
      await dialect.subscribe(socket, roomName(room))
      const from = port(room + (i % perRoom)) === port(room) ? 'local' : 'cross'
      const counter = new Subscriber(socket, this.#tally, from, i % sampleEvery < 2)
      this.#subscribers.push({ socket, counter })
    })
    this.#publishers = new Array(rooms)
    await inGroups(rooms, 50, async room => {
      const socket = await dialect.connect(port(room))
      socket.sink = publisherSink
      this.#publishers[room] = socket
    })
    await this.#learnLineLength()
    this.#sweep = new Sweep(
      this.#subscribers.filter(({ counter }) => !counter.sampled).map(({ socket }) => socket),
    )
  }

  close(): void {
    this.#sweep.stop()
    for (const { socket } of this.#subscribers) socket.close()
    for (const socket of this.#publishers) socket.close()
    this.#subscribers = []
    this.#publishers = []
  }

  async step(step: Step): Promise<StepResult> {
    const { rooms, perRoom } = this.#opened()
    const fanOut = perRoom
    this.#sweep.pace((step.rate / rooms) * (this.#subscribers[0]?.counter.lineLength ?? 0))
    this.#begin(warmStep)
    const warm = await this.#publishFor(step.rate, step.warmSeconds, step.together)
    await this.#drained(warm * fanOut)
    this.#step = this.#step >= 98 ? 10 : this.#step + 1
    this.#begin(this.#step)
    const before = usage(step.processes)
    const startedAt = performance.now()
    const published = await this.#publishFor(step.rate, step.seconds, step.together)
    await this.#drained(published * fanOut)
    const wall = (performance.now() - startedAt) / 1000
    const spent = spentSince(before, step.processes)
    const { delivered, lastAt, crossMs, localMs } = this.#tally
    const perDelivery = (seconds: number | undefined) =>
      seconds === undefined || delivered === 0 ? undefined : (seconds * 1e6) / delivered
    return {
      rate: step.rate,
      expected: published * fanOut,
      delivered,
      perSecond: lastAt > startedAt ? (delivered * 1000) / (lastAt - startedAt) : 0,
      cross: percentiles(crossMs),
      local: percentiles(localMs),
      cpuUs: Object.fromEntries(Object.entries(spent.processes).map(([name, s]) => [name, perDelivery(s)])),
      loadUs: perDelivery(spent.own) ?? Number.NaN,
      loadCores: spent.own / wall,
      othersCores: spent.others === undefined ? undefined : Math.max(0, spent.others / wall),
      stolenCores: spent.stolen === undefined ? undefined : spent.stolen / wall,
      closed: this.#subscribers.filter(({ socket }) => socket.closed).length + (rooms - this.#open()),
    }
  }

  #opened(): OpenFanOut {
    if (!this.#settings) throw new Error('not open')
    return this.#settings
  }

  #open(): number {
    return this.#publishers.filter(socket => !socket.closed).length
  }

  #begin(step: number): void {
    this.#tally.step = step
    this.#tally.delivered = 0
    this.#tally.lastAt = 0
    this.#tally.crossMs.length = 0
    this.#tally.localMs.length = 0
  }

  /** One message alone in each room: every subscriber must get it, and learns how long a message is. */
  async #learnLineLength(): Promise<void> {
    for (let room = 0; room < this.#publishers.length; room++) this.#publish(room, [stamped(0, warmStep)])
    const limit = performance.now() + 10_000
    while (this.#subscribers.some(({ counter }) => counter.lineLength === 0)) {
      if (performance.now() > limit) throw new Error('a subscriber did not get the first message')
      await delay(5)
    }
    const lengths = new Set(this.#subscribers.map(({ counter }) => counter.lineLength))
    if (lengths.size !== 1) throw new Error(`messages are not equally long: ${[...lengths].join(', ')}`)
  }

  #publish(room: number, texts: readonly string[]): void {
    const { dialect } = this.#opened()
    this.#publishers[room]?.write(dialects[dialect].publish(roomName(room), texts, this.#lastId + 1))
    this.#lastId += texts.length
  }

  /** Returns how many messages it published. */
  async #publishFor(rate: number, seconds: number, together: number): Promise<number> {
    const writes = Math.max(1, Math.round((rate * seconds) / together))
    const gapMs = (1000 * together) / rate
    const startedAt = performance.now()
    // Timers fire on whole milliseconds; what is due more often is due on that grid, in small groups.
    const dueMs = (i: number) => (gapMs >= 2 ? i * gapMs : Math.ceil(i * gapMs))
    for (let i = 0; i < writes; ) {
      const now = performance.now() - startedAt
      const stop = Math.min(writes, i + publishesPerTurn)
      for (; i < stop && dueMs(i) <= now; i++) {
        const text = stamped((startedAt + dueMs(i)) * 1000, this.#tally.step)
        this.#publish(i % this.#publishers.length, new Array(together).fill(text))
      }
      if (i === writes) break
      const wait = dueMs(i) - (performance.now() - startedAt)
      // The last part of a long wait is spent awake: a timer may come a millisecond late.
      if (wait > 1.5) await delay(Math.floor(wait - 0.5))
      else if (wait > 0 && gapMs < 5) await delay(1)
      else await turn()
    }
    return writes * together
  }

  async #drained(expected: number): Promise<void> {
    const limit = performance.now() + drainMs
    while (this.#tally.delivered < expected && performance.now() < limit) await delay(2)
  }
}

const publisherSink = {
  begin: () => true,
  payload(_opcode: number, payload: Buffer): void {
    if (payload.includes('"error"')) throw new Error(`a publication was refused: ${payload.toString()}`)
  },
}

/** All rooms' names are equally long, so that all messages are. */
function roomName(room: number): string {
  return `r${String(room).padStart(4, '0')}`
}

const load = new FanOutLoad()
const handlers = {
  open: (settings: OpenFanOut) => load.open(settings),
  step: (step: Step) => load.step(step),
  close: async (_: undefined) => load.close(),
}
export type FanOutHandlers = typeof handlers
answer(handlers)
