import { setTimeout as delay } from 'node:timers/promises'
import { Recorder } from './recorder.ts'
import type { Channel, Client, Listener, Participant, Running, System } from './types.ts'

export interface WorkloadOptions {
  readonly system: System
  readonly running: Running
  /** Unique among the runs on a stage. */
  readonly run: string
  readonly random: () => number
  /** For commands: a seed from before there were any draws everything else as it did. */
  readonly commandRandom: () => number
  /** Stands between the clients and the record; the checker's own test puts something there. */
  readonly tamper?: (listener: Listener, subscriber: string, channel: Channel) => Listener
}

/** A writer says one thing in each of its channels so often, on average; events in one of theirs. */
const turnMs = 50
const subscribersPerNode = 2
/** Of a writer, on average, and how many events follow from one command at most. */
const turnsPerCommand = 3
const mostOfCommand = 3
/** So many unanswered attempts of one writer, and it waits, as an application with a bounded pool does. */
const mostUnderWay = 400
const memoryEveryMs = 250

/** Steady traffic over all nodes: writers and subscribers on each, all channels shared by all. */
export class Workload {
  readonly recorder: Recorder
  readonly #options: WorkloadOptions
  readonly #clients: Client[] = []
  readonly #ends: (() => void)[] = []
  #writing = false
  #loops: Promise<void>[] = []

  constructor(options: WorkloadOptions) {
    this.#options = options
    this.recorder = new Recorder(channelsOf(options))
  }

  /** Connects and subscribes everybody, and begins to write. */
  async start(): Promise<void> {
    const { running, run } = this.#options
    const { channels } = this.recorder
    const names = channels.map(({ name }) => name)
    const writers: { client: Client; writer: Participant }[] = []
    await Promise.all(
      running.nodes.map(async (_, node) => {
        for (let i = 0; i < subscribersPerNode; i++)
          await this.#subscribe({ name: `s${node}${'abcd'[i]}`, node, channels: names })
        const writer = { name: `w${node}`, node, channels: names }
        writers.push({ client: await this.#client(node, `${run}-${writer.name}`), writer })
      }),
    )
    this.recorder.writers.push(...writers.map(({ writer }) => writer))
    const look = setInterval(() => this.#sampleMemory(), memoryEveryMs)
    this.#ends.push(() => clearInterval(look))
    this.recorder.beginSteady()
    this.#writing = true
    this.#loops = writers.map(({ client, writer }) => this.#write(client, writer.name))
  }

  /** Ends the writing, and waits for what is under way; what has no answer by then stays unknown. */
  async stop(withinMs: number): Promise<void> {
    this.#writing = false
    const end = performance.now() + withinMs
    await Promise.all(this.#loops)
    while (this.recorder.underWay > 0 && performance.now() < end) await delay(20)
  }

  /** Somebody who comes when all is over, and wants every event from the beginning. */
  async joinLate(): Promise<void> {
    const channels = this.recorder.channels.filter(({ tier }) => tier === 'durable')
    if (channels.length === 0) return
    const names = channels.map(({ name }) => name)
    await Promise.all(
      this.#options.running.nodes.map((_, node) =>
        this.#subscribe({ name: `late${node}`, node, channels: names }),
      ),
    )
  }

  async close(): Promise<void> {
    this.#writing = false
    for (const end of this.#ends) end()
    this.recorder.close()
    await Promise.all(this.#clients.map(client => client.close()))
  }

  async #client(node: number, name: string): Promise<Client> {
    const client = await this.#options.running.client(node, name)
    this.#clients.push(client)
    return client
  }

  async #subscribe(subscriber: Participant): Promise<void> {
    const { run, tamper } = this.#options
    const client = await this.#client(subscriber.node, `${run}-${subscriber.name}`)
    this.recorder.subscribers.push(subscriber)
    await Promise.all(
      this.recorder.channels
        .filter(({ name }) => subscriber.channels.includes(name))
        .map(channel => {
          const listener = this.recorder.listener(subscriber.name, channel)
          return client.subscribe(channel, tamper?.(listener, subscriber.name, channel) ?? listener)
        }),
    )
  }

  async #write(client: Client, writer: string): Promise<void> {
    const { random, commandRandom, run } = this.#options
    const signals = this.recorder.channels.filter(({ tier }) => tier === 'realtime')
    const events = this.recorder.channels.filter(({ tier, commands }) => tier === 'durable' && !commands)
    const aggregates = this.recorder.channels.filter(({ commands }) => commands)
    let underWay = 0
    const say = (channel: Channel) => {
      if (underWay >= mostUnderWay) return
      underWay++
      const attempt = this.recorder.attempt(run, writer, channel)
      void client.send(channel, attempt.value).then(({ outcome, offset }) => {
        underWay--
        attempt.end(outcome, offset)
      })
    }
    const decide = (channel: Channel, many: number) => {
      if (underWay >= mostUnderWay) return
      underWay++
      const first = this.recorder.attempt(run, writer, channel)
      const rest = Array.from({ length: many - 1 }, () =>
        this.recorder.attempt(run, writer, channel, first.value),
      )
      const attempts = [first, ...rest]
      const values = attempts.map(({ value }) => value)
      void client.command?.(channel, values).then(({ outcome, offsets }) => {
        underWay--
        for (const [i, attempt] of attempts.entries()) attempt.end(outcome, offsets?.[i])
      })
    }
    while (this.#writing) {
      for (const channel of signals) say(channel)
      const event = events[Math.floor(random() * events.length)]
      if (event) say(event)
      const aggregate = aggregates[Math.floor(commandRandom() * aggregates.length * turnsPerCommand)]
      if (aggregate) decide(aggregate, 1 + Math.floor(commandRandom() * mostOfCommand))
      await delay(turnMs * (0.5 + random()))
    }
  }

  #sampleMemory(): void {
    for (const each of [...this.#options.running.nodes, ...this.#options.running.workers]) {
      const bytes = each.memory()
      if (bytes !== undefined) this.recorder.memory(each.name, bytes)
    }
  }
}

function channelsOf({ system, run }: WorkloadOptions): Channel[] {
  const channels: Channel[] = []
  const add = (namespace: string, count: number, rest: Omit<Channel, 'name'>) => {
    for (let i = 1; i <= count; i++) channels.push({ name: `${namespace}:${run}-${i}`, ...rest })
  }
  if (system.tiers.includes('realtime')) {
    add('room', 2, { tier: 'realtime', recoverable: false })
    if (system.recovers) add('recent', 1, { tier: 'realtime', recoverable: true })
  }
  if (system.tiers.includes('durable')) add('order', 3, { tier: 'durable', recoverable: false })
  if (system.decides) add('account', 2, { tier: 'durable', recoverable: false, commands: true })
  return channels
}
