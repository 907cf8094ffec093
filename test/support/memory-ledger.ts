import type { StoredEvent } from '../../src/domain/index.ts'
import { AppendMeter } from '../../src/durable/ledger/append-meter.ts'
import type { Ledger, Outcome } from '../../src/durable/ledger/ledger.ts'
import { LossWatch } from '../../src/durable/ledger/loss-watch.ts'
import { RemoteClock } from '../../src/platform/index.ts'

/** The ledger's port in memory, for what has no protocol with Postgres in it. Every read takes a turn or more. */
export class MemoryLedger implements Ledger {
  epoch = 'memory'
  readonly server = 'memory'
  readonly readOnly = false
  readonly losses = new LossWatch('memory', 'memory')
  readonly meter = new AppendMeter()
  readonly clock = new RemoteClock()
  readonly partitions = 1
  readonly events: StoredEvent[] = []
  readonly floors = new Map<string, number>()
  /** How many turns a read takes; a read sees what there is when it ends its first. */
  turns = () => 1
  reads = 0
  failing = false
  readonly #listeners = new Set<(events: readonly StoredEvent[]) => void>()

  pools() {
    return []
  }

  partitionOf(): number {
    return 0
  }

  async append(event: { channel: string; type: string; data: string; id: string }): Promise<Outcome> {
    const stored = this.store(event.channel, event.data, event.id)
    this.announce([stored])
    return { kind: 'stored', event: stored }
  }

  async appendTogether(): Promise<never> {
    throw new Error('this ledger takes events one by one')
  }

  async query(): Promise<never> {
    throw new Error('this ledger has no database')
  }

  /** As another node would: nobody here is told. */
  store(channel: string, data: string, id = 'id'): StoredEvent {
    const offset = this.#head(channel) + 1
    const position = this.events.length + 1
    const event = { channel, offset, position, partition: 0, id, type: 'T', data, meta: null, time: 1 }
    this.events.push(event)
    return event
  }

  onStored(listener: (events: readonly StoredEvent[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  announce(events: readonly StoredEvent[]): void {
    for (const listener of this.#listeners) listener(events)
  }

  onEpoch(): () => void {
    return () => undefined
  }

  async readChannel(channel: string, { since = 0, limit }: { since?: number; limit: number }) {
    return this.#answer(() => {
      const floor = this.floors.get(channel) ?? 0
      const own = this.events.filter(
        event => event.channel === channel && event.offset > Math.max(since, floor),
      )
      return { events: own.slice(0, limit), head: this.#head(channel), floor }
    })
  }

  async offsetOf(channel: string, id: string) {
    return this.#answer(() => this.events.find(event => event.channel === channel && event.id === id)?.offset)
  }

  async readPartition(_partition: number, from: number, limit: number) {
    return this.#answer(() => {
      const events = this.events.filter(event => event.position >= from).slice(0, limit)
      return { events, from, through: events.at(-1)?.position ?? from - 1 }
    })
  }

  async movedChannels(ranges: readonly { after: number; through: number }[]) {
    return this.#answer(() => {
      const moved = this.events.filter(({ position }) =>
        ranges.some(({ after, through }) => position > after && position <= through),
      )
      return new Map(moved.map(({ channel, offset }) => [channel, offset]))
    })
  }

  async readAfter(
    places: readonly { channel: string; since: number }[],
    { perChannel }: { perChannel: number },
  ) {
    return this.#answer(() =>
      places.flatMap(({ channel, since }) =>
        this.events.filter(event => event.channel === channel && event.offset > since).slice(0, perChannel),
      ),
    )
  }

  async channelHeads(channels: readonly string[]) {
    return this.#answer(
      () =>
        new Map(channels.map(each => [each, { head: this.#head(each), floor: this.floors.get(each) ?? 0 }])),
    )
  }

  async partitionHeads(partitions: readonly number[]) {
    return this.#answer(() => new Map(partitions.map(each => [each, this.events.length])))
  }

  async ping(): Promise<void> {}

  async close(): Promise<void> {}

  #head(channel: string): number {
    return this.events.reduce((head, event) => (event.channel === channel ? event.offset : head), 0)
  }

  async #answer<T>(look: () => T): Promise<T> {
    this.reads++
    await turn()
    if (this.failing) throw new Error('away')
    const seen = look()
    for (let n = this.turns(); n > 1; n--) await turn()
    return seen
  }
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
