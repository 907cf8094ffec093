import { CanaryConnection, type ConnectionOptions, type Push, type Reply, Unanswered } from './connection.ts'
import type { Heard } from './messages.ts'
import type { ProbeFailure } from './types.ts'

/** A place in a durable channel. */
interface Place {
  epoch: string
  offset: number
}

interface Followed {
  readonly durable: boolean
  /** The connection that it comes over; undefined where there is none. */
  over: CanaryConnection | undefined
  asking: CanaryConnection | undefined
  /** How it ended when it was last asked for in vain. */
  trouble: 'refused' | 'unanswered'
  /** Undefined before the first answer, and of realtime channels. */
  place: Place | undefined
}

export interface LineOptions extends Omit<ConnectionOptions, 'onPush' | 'onClosed'> {
  readonly onHeard: (heard: Heard) => void
  /** A durable channel is followed from this place on, which is a new one (another epoch, or a lost past) where `anew`. */
  readonly onPlace: (channel: string, place: Readonly<Place>, anew: boolean) => void
  /** What came was not the next event of its subscription. */
  readonly onOutOfOrder: (channel: string) => void
}

/**
 * A client that keeps its channels: over one connection after the other, each from the place where the last has ended.
 * Nothing repeats by itself; whoever owns it says when.
 */
export class CanaryLine {
  readonly #options: LineOptions
  readonly #followed = new Map<string, Followed>()
  #connection: CanaryConnection | undefined
  #closed = false

  constructor(options: LineOptions) {
    this.#options = options
  }

  get open(): boolean {
    return this.#connection?.open ?? false
  }

  /** Of the listener; undefined without TLS or connection. */
  get certificateSeconds(): number | undefined {
    return this.#connection?.certificateSeconds
  }

  /** Whether this channel is followed now. */
  follows(channel: string): boolean {
    return this.#followed.get(channel)?.over?.open ?? false
  }

  /** Why a channel that is asked for is not followed. */
  troubleWith(channel: string): ProbeFailure {
    if (!this.open) return 'unconnected'
    return this.#followed.get(channel)?.trouble ?? 'unanswered'
  }

  /**
   * Connects anew, and lets go of the connection before only when the next one follows all channels, so that nothing is
   * missed in between. @throws Unanswered, or an Error where the node refuses
   */
  async connect(): Promise<void> {
    const before = this.#connection
    const next: CanaryConnection = await CanaryConnection.open({
      ...this.#options,
      onPush: push => this.#take(next, push),
      onClosed: () => this.#lost(next),
    })
    if (this.#closed) return next.close()
    this.#connection = next
    await Promise.all([...this.#followed.keys()].map(channel => this.#subscribe(next, channel)))
    before?.retire()
  }

  /** Adds channels, and asks again for those that are not live. Resolves when they are, or when that has failed. */
  async follow(channels: readonly { readonly channel: string; readonly durable: boolean }[]): Promise<void> {
    for (const { channel, durable } of channels) {
      if (this.#followed.has(channel)) continue
      this.#followed.set(channel, {
        durable,
        over: undefined,
        asking: undefined,
        trouble: 'unanswered',
        place: undefined,
      })
    }
    const connection = this.#connection
    if (!connection) return
    const missing = [...this.#followed].filter(([, { over }]) => over !== connection)
    await Promise.all(missing.map(([channel]) => this.#subscribe(connection, channel)))
  }

  async leave(channel: string): Promise<void> {
    if (!this.#followed.delete(channel)) return
    await this.#connection?.call({ unsubscribe: { channel } }).catch(() => undefined)
  }

  /** @throws Unanswered */
  call(command: Readonly<Record<string, unknown>>): Promise<Reply> {
    if (this.#connection) return this.#connection.call(command)
    return Promise.reject(new Unanswered('there is no connection'))
  }

  close(): void {
    this.#closed = true
    this.#connection?.close()
  }

  async #subscribe(connection: CanaryConnection, channel: string): Promise<void> {
    const followed = this.#followed.get(channel)
    if (!followed || followed.asking === connection) return
    followed.asking = connection
    const asked = followed.place && { ...followed.place }
    const command = { subscribe: { channel, ...(asked && { recover: true, ...asked }) } }
    const arrive = ({ error, result }: Reply) => {
      if (error) followed.trouble = 'refused'
      if (error || connection !== this.#connection) return
      followed.over = connection
      if (followed.durable) this.#arrive(channel, followed, asked, result)
    }
    try {
      await connection.call(command, arrive)
    } catch {
      // Asked again with the next turn.
      followed.trouble = 'unanswered'
    } finally {
      if (followed.asking === connection) followed.asking = undefined
    }
  }

  /** What came over the connection before, while this one was asked for the same, comes again. */
  #arrive(channel: string, followed: Followed, asked: Place | undefined, result: Reply['result']): void {
    const said = result as {
      epoch?: string
      offset?: number
      recovered?: boolean
      publications?: Push['pub'][]
    }
    const { epoch = '', offset = 0, recovered = false, publications = [] } = said
    const anew = !asked || !recovered
    followed.place = anew ? { epoch, offset } : asked
    this.#options.onPlace(channel, { ...followed.place }, anew)
    for (const publication of publications) this.#hear(channel, followed, publication)
  }

  #take(from: CanaryConnection, push: Push): void {
    const followed = this.#followed.get(push.channel)
    if (!followed || from !== followed.over) return
    if (push.unsubscribe) followed.over = undefined
    if (push.pub) this.#hear(push.channel, followed, push.pub)
  }

  #hear(channel: string, followed: Followed, publication: Push['pub']): void {
    if (!publication) return
    const { data, offset, tags } = publication
    if (followed.place && offset !== undefined) {
      if (offset !== followed.place.offset + 1) this.#options.onOutOfOrder(channel)
      followed.place = { epoch: followed.place.epoch, offset }
    }
    this.#options.onHeard({ channel, offset, id: tags?.['id'], data })
  }

  #lost(connection: CanaryConnection): void {
    for (const followed of this.#followed.values())
      if (followed.over === connection) followed.over = undefined
  }
}
