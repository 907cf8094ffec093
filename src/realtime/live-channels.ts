import type { NamespaceOptions } from '../domain/index.ts'
import { Buckets } from '../telemetry/index.ts'
import { fannedOut } from '../tracing/index.ts'
import type { Bus } from './bus.ts'
import type { BusMessage } from './envelope.ts'
import { LiveChannel } from './live-channel.ts'
import type { Marks } from './marks.ts'

/** The channels with subscribers on this node; each is subscribed on the bus while it is here. */
export class LiveChannels {
  /** Seconds from a message's acceptance on another node to its arrival here; of those that are timed. */
  readonly busLatency = new Buckets()
  readonly #bus: Bus
  readonly #channels = new Map<string, LiveChannel>()
  readonly #marks: Marks
  readonly #onForeign: (channel: LiveChannel) => void

  /** `onForeign` hears of a message that this release can't read, in a channel where sessions may rely on a place. */
  constructor(bus: Bus, marks: Marks, onForeign: (channel: LiveChannel) => void) {
    this.#bus = bus
    this.#marks = marks
    this.#onForeign = onForeign
  }

  get(name: string): LiveChannel | undefined {
    return this.#channels.get(name)
  }

  open(name: string, options: NamespaceOptions): LiveChannel {
    let channel = this.#channels.get(name)
    if (!channel) {
      const { size, ttlSeconds } = options.history
      channel = new LiveChannel(name, size > 0 ? ttlSeconds : 0, idle => this.#close(idle))
      this.#channels.set(name, channel)
    }
    return channel
  }

  /** True when the bus has confirmed that messages of other nodes arrive from now on. */
  confirm(channel: LiveChannel): Promise<boolean> {
    return this.#bus.subscribe(channel.name, (message, age) => {
      const mark = message.kind === 'numbered' || message.kind === 'all' ? message.mark : undefined
      const known = mark !== undefined && this.#marks.brought(mark)
      if (!known && channel.clock(age) && !Number.isNaN(age)) this.busLatency.record(age)
      if (message.kind !== 'foreign') receive(channel, message, known)
      else if (channel.historyTtlSeconds > 0) this.#onForeign(channel)
      channel.unclock()
    })
  }

  values(): IterableIterator<LiveChannel> {
    return this.#channels.values()
  }

  sizes(): ReadonlyMap<string, number> {
    const sizes = new Map<string, number>()
    for (const channel of this.#channels.values()) if (channel.size > 0) sizes.set(channel.name, channel.size)
    return sizes
  }

  #close(channel: LiveChannel): void {
    if (this.#channels.get(channel.name) !== channel) return
    this.#channels.delete(channel.name)
    this.#bus.unsubscribe(channel.name)
  }
}

function receive(channel: LiveChannel, message: BusMessage, known: boolean): void {
  const before = channel.place
  channel.receive(message, known)
  if (known || !('traces' in message) || message.traces === undefined) return
  // A numbered one that was taken before, by an answer of Redis, has been told of.
  if (message.kind === 'numbered' && channel.place === before) return
  const { name, size } = channel
  const what = { channel: name, tier: 'realtime', subscribers: size } as const
  const offset = message.kind === 'numbered' ? message.place.offset : undefined
  for (const trace of message.traces.split(','))
    fannedOut(trace, { ...what, offset, addressed: message.kind === 'some' })
}
