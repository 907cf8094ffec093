import type { EventStory } from '../durable/index.ts'
import type { Router } from '../gateway/index.ts'
import type { Sql } from '../platform/index.ts'
import type { PostgresSource } from './postgres-source.ts'
import { partOf } from './shared-part.ts'
import type { EventAnswer, EventStoryView } from './wire-past.ts'

/** Whether the mirror has got as far as a position; undefined: nobody can tell now. */
export type Mirrored = (partition: number, position: number) => Promise<boolean | undefined>

export interface EventTaleParts {
  readonly postgres: PostgresSource
  readonly router: Pick<Router, 'history'>
  readonly mirrored: Mirrored
  /** Of a channel, over all nodes that answer. */
  readonly subscribers: (channel: string) => Promise<number>
}

export type EventPlace = { readonly id: string } | { readonly channel: string; readonly offset: number }

/** A publication as clients get it. */
interface Entry {
  readonly data: unknown
  readonly offset?: number
  readonly tags?: Readonly<Record<string, string>>
  readonly time?: number
}

/** Characters of an event's data. */
const shownData = 4_096
const patienceMs = 1_500

/** What has become of one event: by the ledger, and where that is silent by what the mirror still has of it. */
export class EventTales {
  readonly #parts: EventTaleParts

  constructor(parts: EventTaleParts) {
    this.#parts = parts
  }

  async tell(place: EventPlace, read: (sql: Sql) => Promise<readonly EventStory[]>): Promise<EventAnswer> {
    const mirror = () =>
      'channel' in place ? this.#fromMirror(place.channel, place.offset) : Promise.resolve(undefined)
    // Where Postgres is known to be silent, its next silence is not waited for first.
    const early = this.#parts.postgres.state().state === 'silent' ? mirror() : undefined
    const told = await partOf('postgres', () => this.#parts.postgres.ask(read))
    if (told.value) {
      const value = await Promise.all(told.value.map(story => this.#whole(story)))
      return { time: Date.now(), stories: { ...told, value } }
    }
    const hot = await (early ?? mirror())
    return {
      time: Date.now(),
      stories: { ...told, value: hot ? [hot] : null, source: hot ? 'bus' : 'postgres' },
    }
  }

  async #whole(story: EventStory): Promise<EventStoryView> {
    const { channel, offset, partition, position, ledger } = story
    const [data, mirrored, subscribers] = await Promise.all([
      ledger === 'removed' ? undefined : soon(this.#entry(channel, offset)),
      position === null ? undefined : soon(this.#parts.mirrored(partition, position)),
      soon(this.#parts.subscribers(channel)),
    ])
    return {
      ...story,
      mirrored: mirrored ?? null,
      subscribers: subscribers ?? null,
      data: data?.data.slice(0, shownData) ?? null,
    }
  }

  async #fromMirror(channel: string, offset: number): Promise<EventStoryView | undefined> {
    const entry = await soon(this.#entry(channel, offset))
    if (!entry) return undefined
    const subscribers = await soon(this.#parts.subscribers(channel))
    return {
      ...{ channel, offset, partition: -1, position: null, ledger: 'recorded', mirrored: true },
      eventId: entry.tags?.['id'] ?? null,
      type: entry.tags?.['type'] ?? null,
      recorded: entry.time ?? null,
      subscribers: subscribers ?? null,
      data: entry.data.slice(0, shownData),
      consumers: [],
      acts: [],
    }
  }

  async #entry(channel: string, offset: number) {
    const page = await this.#parts.router.history({
      channel,
      since: { offset: offset - 1, epoch: '' },
      limit: 1,
      reverse: false,
    })
    const [text] = page.publications
    if (text === undefined) return undefined
    const entry = JSON.parse(text) as Entry
    return entry.offset === offset ? { ...entry, data: JSON.stringify(entry.data) ?? 'null' } : undefined
  }
}

/** What is not there soon is not waited for. */
async function soon<T>(asked: Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), patienceMs)
  try {
    return await Promise.race([asked.catch(() => undefined), promise])
  } finally {
    clearTimeout(timer)
  }
}
