import type { ChannelHead, Delivered, Ledger } from '../ledger/ledger.ts'
import { within } from '../mirror/deadline.ts'

/** Well below the five seconds after which an SDK gives a subscribe command up. */
const deadlineMs = 2_500
/** Channels of one statement. */
const batchSize = 500

interface Asked {
  readonly channel: string
  resolve(head: ChannelHead): void
  reject(error: unknown): void
}

/** Reads channels' heads from the ledger; what is asked in one turn of the event loop is one statement. */
export class Heads {
  readonly #ledger: Ledger
  #asked: Asked[] = []

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /** The head at some moment after this call. */
  read(channel: string): Promise<ChannelHead> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ channel, resolve, reject })
      if (this.#asked.length === 1) setImmediate(() => this.#send())
    })
  }

  /** Many at a time, one statement after the other: a reconnect must not fill the pool of connections. */
  async *readMany(
    channels: readonly string[],
    delivered: Delivered,
  ): AsyncGenerator<ReadonlyMap<string, ChannelHead>> {
    for (let i = 0; i < channels.length; i += batchSize)
      yield await this.#query(channels.slice(i, i + batchSize), delivered)
  }

  #send(): void {
    const asked = this.#asked
    this.#asked = []
    for (let i = 0; i < asked.length; i += batchSize) void this.#answer(asked.slice(i, i + batchSize))
  }

  async #answer(asked: readonly Asked[]): Promise<void> {
    try {
      const heads = await this.#query([...new Set(asked.map(each => each.channel))])
      for (const { channel, resolve } of asked) resolve(heads.get(channel) ?? { head: 0, floor: 0 })
    } catch (error) {
      for (const { reject } of asked) reject(error)
    }
  }

  #query(channels: readonly string[], delivered?: Delivered): Promise<ReadonlyMap<string, ChannelHead>> {
    return within(this.#ledger.channelHeads(channels, delivered), deadlineMs, 'reading heads')
  }
}
