import type { Client } from '../client.ts'
import type { HoldfastClientError } from '../errors.ts'
import type { Place, Reset } from '../follower.ts'
import type { Received, SubscribeOptions, SubscriptionProgress } from '../types.ts'
import { type Store, tokensOf } from './store.ts'

/** What a component sees of a channel. */
export interface ChannelEvents<Event> {
  /** The newest ones, in order; the same array until one comes. */
  readonly events: readonly Event[]
  /** `replaying` until everything that was asked for is there. */
  readonly progress: SubscriptionProgress
  /** The place of the last event. */
  readonly position: Place | undefined
  /** The last gap that could not be closed; what was built from earlier events should be loaded anew. */
  readonly gap: Reset | undefined
  /** Why the subscription has ended. */
  readonly error: HoldfastClientError | undefined
}

export interface ChannelStoreOptions {
  /** How many events to hold, the newest ones; 0 holds none. */
  readonly limit: number
  readonly wanted: ((event: Received) => boolean) | undefined
  readonly handlers: { readonly current: SubscribeOptions<Received> }
  /** Where to begin, and how: what does not change while the store lives. */
  readonly wish: SubscribeOptions<Received>
}

/** A channel's newest events for React; holds what has come in one task until its end, so that it is drawn once. */
export class ChannelStore implements Store<ChannelEvents<Received>> {
  readonly #client: Client
  readonly #name: string
  readonly #options: ChannelStoreOptions
  #view: ChannelEvents<Received> = {
    events: [],
    progress: 'subscribing',
    position: undefined,
    gap: undefined,
    error: undefined,
  }
  #fresh: Received[] = []
  /** Of all that has been taken into the view. */
  #newest: Place | undefined
  #next: Partial<ChannelEvents<Received>> | undefined
  #changed: () => void = () => undefined

  constructor(client: Client, name: string, options: ChannelStoreOptions) {
    this.#client = client
    this.#name = name
    this.#options = options
  }

  get view(): ChannelEvents<Received> {
    return this.#view
  }

  begin(changed: () => void): () => void {
    this.#changed = changed
    const { wish, handlers, limit, wanted } = this.#options
    const { position } = this.#view
    let ended = false
    const tell = (part: Partial<ChannelEvents<Received>>) => {
      // The one that is shown next has begun already, with the same view.
      if (!ended) this.#tell(part)
    }
    this.#view = { ...this.#view, progress: 'subscribing', error: undefined }
    const subscription = this.#client.channel(this.#name).subscribe({
      ...wish,
      // Shown again: it goes on from where it was hidden, if the channel has places.
      ...tokensOf(handlers),
      ...(position && wish.cursor === undefined && wish.keep === undefined && { since: position }),
      onEvent: event => {
        if (!this.#has(event)) {
          if (limit > 0 && (!wanted || wanted(event))) this.#fresh.push(event)
          this.#newest = event.position ?? this.#newest
          tell(event.position ? { position: event.position } : {})
        }
        return handlers.current.onEvent?.(event)
      },
      onReset: gap => {
        this.#newest = gap.position
        tell({ gap, position: gap.position })
        return handlers.current.onReset?.(gap)
      },
      onProgress: progress => {
        tell({ progress })
        return handlers.current.onProgress?.(progress)
      },
      onSubscribed: context => handlers.current.onSubscribed?.(context),
      onJoin: info => handlers.current.onJoin?.(info),
      onLeave: info => handlers.current.onLeave?.(info),
      onUnsubscribed: error => {
        tell({ error })
        return handlers.current.onUnsubscribed?.(error)
      },
    })
    return () => {
      ended = true
      this.#changed = () => undefined
      subscription.unsubscribe()
    }
  }

  /** A place kept elsewhere may lie before what is shown: the handler wants those events again, the view has them. */
  #has({ position }: Received): boolean {
    const newest = this.#newest
    return !!position && position.epoch === newest?.epoch && position.offset <= newest.offset
  }

  #tell(part: Partial<ChannelEvents<Received>>): void {
    if (this.#next) {
      Object.assign(this.#next, part)
      return
    }
    this.#next = part
    queueMicrotask(() => this.#flush())
  }

  #flush(): void {
    const next = this.#next ?? {}
    const fresh = this.#fresh
    this.#next = undefined
    this.#fresh = []
    const { limit } = this.#options
    const events = fresh.length > 0 ? [...this.#view.events, ...fresh].slice(-limit) : this.#view.events
    this.#view = { ...this.#view, ...next, events }
    this.#changed()
  }
}
