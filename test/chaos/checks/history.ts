import type { Attempt, Channel, Delivery, Participant, Recorded, Tier, Told } from '../types.ts'

/** What a subscriber had of a channel, in the order in which it came. */
export interface Subscription {
  readonly subscriber: Participant
  readonly channel: Channel
  readonly deliveries: readonly Delivery[]
  readonly told: readonly Told[]
}

/** A record, arranged for the questions that are asked of it. */
export class History {
  readonly recorded: Recorded
  readonly subscriptions: readonly Subscription[]
  readonly #attempts: ReadonlyMap<string, Attempt>
  readonly #byChannel: ReadonlyMap<string, readonly Attempt[]>
  readonly #nodes: ReadonlyMap<string, number>

  constructor(recorded: Recorded) {
    this.recorded = recorded
    this.#attempts = new Map(recorded.attempts.map(attempt => [attempt.value, attempt]))
    this.#byChannel = Map.groupBy(recorded.attempts, ({ channel }) => channel)
    this.#nodes = new Map(recorded.writers.map(({ name, node }) => [name, node]))
    const place = (one: { subscriber: string; channel: string }) => `${one.subscriber} ${one.channel}`
    const deliveries = Map.groupBy(recorded.deliveries, place)
    const told = Map.groupBy(recorded.told, place)
    const channels = new Map(recorded.channels.map(channel => [channel.name, channel]))
    this.subscriptions = recorded.subscribers.flatMap(subscriber =>
      subscriber.channels.flatMap(name => {
        const channel = channels.get(name)
        const key = place({ subscriber: subscriber.name, channel: name })
        return channel
          ? [{ subscriber, channel, deliveries: deliveries.get(key) ?? [], told: told.get(key) ?? [] }]
          : []
      }),
    )
  }

  channels(tier: Tier): readonly Channel[] {
    return this.recorded.channels.filter(channel => channel.tier === tier)
  }

  of(tier: Tier): readonly Subscription[] {
    return this.subscriptions.filter(({ channel }) => channel.tier === tier)
  }

  attempt(value: string): Attempt | undefined {
    return this.#attempts.get(value)
  }

  /** In the order in which they were sent. */
  attempts({ name }: Channel): readonly Attempt[] {
    return this.#byChannel.get(name) ?? []
  }

  /** Where a writer says what it says. */
  nodeOf({ writer }: Attempt): number | undefined {
    return this.#nodes.get(writer)
  }
}
