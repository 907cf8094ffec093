import { HoldfastError, type StoredEvent } from '../../domain/index.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { DeliveryPlace } from './delivery-rows.ts'
import type { JobRedis, JobState, NewJob } from './job-redis.ts'
import type { RuleDefinition } from './rule.ts'

/** A delivery on its way into a queue. */
export interface Enqueued extends DeliveryPlace {
  /** How long it is not due yet, in milliseconds. */
  readonly earlyMs: number
}

/** How long the ended jobs of an application's own queue stay there: until their end has been seen, and for people to look. */
const keepEnded = { removeOnComplete: { age: 3_600 }, removeOnFail: { age: 7 * 86_400 } }

/** BullMQ takes no colon in an id, and none that is a number; ours have hyphens and a full stop. */
export function jobIdOf({ rule, id }: Pick<DeliveryPlace, 'rule' | 'id'>): string {
  return `${rule}.${id}`
}

/** Where a delivery stands in the data of a job; undefined for what is none of ours. */
export function placeOf(data: unknown): DeliveryPlace | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const { rule, partition, position, id } = data as Record<string, unknown>
  const whole = Number.isSafeInteger(partition) && Number.isSafeInteger(position)
  if (typeof rule !== 'string' || typeof id !== 'string' || !whole) return undefined
  return { rule, partition: partition as number, position: position as number, id }
}

export function queueOf(rule: string): string {
  return `rule-${rule}`
}

/** What an erased event is left with. */
export const erasedType = 'holdfast.erased'

/** The event of a delivery; undefined where it was erased or removed, or another one has its place. */
export async function eventAt(ledger: Ledger, place: DeliveryPlace): Promise<StoredEvent | undefined> {
  const { events } = await ledger.readPartition(place.partition, place.position, 1)
  const [event] = events
  const same = event?.position === place.position && event.id === place.id
  return same && event.type !== erasedType ? event : undefined
}

/** Puts deliveries into the queues that their rules name. */
export class Enqueuer {
  readonly #redis: JobRedis | undefined
  readonly #prefix: string
  readonly #ledger: Ledger

  constructor(redis: JobRedis | undefined, prefix: string, ledger: Ledger) {
    this.#redis = redis
    this.#prefix = prefix
    this.#ledger = ledger
  }

  get reachable(): boolean {
    return this.#redis?.reachable ?? false
  }

  /**
   * Adds jobs; those that are there already stay as they are. Returns deliveries that got none, because their event is
   * gone.
   * @throws HoldfastError DEPENDENCY_*
   */
  async add<Row extends Enqueued>(
    rule: string,
    definition: RuleDefinition,
    rows: readonly Row[],
  ): Promise<Row[]> {
    const { queue } = definition
    if (queue) {
      const jobs = await Promise.all(rows.map(row => this.#carrying(definition, row)))
      await this.#open().add(
        queue.name,
        queue.prefix,
        jobs.filter(job => job !== undefined),
      )
      return rows.filter((_, i) => jobs[i] === undefined)
    }
    const jobs = rows.map(row => ({
      name: rule,
      id: jobIdOf(row),
      data: { rule, partition: row.partition, position: row.position, id: row.id },
      delayMs: row.earlyMs,
    }))
    await this.#open().add(queueOf(rule), this.#prefix, jobs)
    return []
  }

  /** Removes jobs of deliveries, where nobody works on them. @throws HoldfastError DEPENDENCY_* */
  remove(rule: string, definition: RuleDefinition, rows: readonly DeliveryPlace[]): Promise<void> {
    const { name, prefix } = this.#place(rule, definition)
    return this.#open().remove(name, prefix, rows.map(jobIdOf))
  }

  /** How the jobs of deliveries stand that others work on. @throws HoldfastError DEPENDENCY_* */
  states(rule: string, definition: RuleDefinition, rows: readonly DeliveryPlace[]): Promise<JobState[]> {
    const { name, prefix } = this.#place(rule, definition)
    return this.#open().states(name, prefix, rows.map(jobIdOf))
  }

  /** Takes events out of jobs that carry them. @throws HoldfastError DEPENDENCY_* */
  async forget(rule: string, { queue }: RuleDefinition, eventIds: readonly string[]): Promise<void> {
    if (queue)
      await this.#open().forget(
        queue.name,
        queue.prefix,
        eventIds.map(id => jobIdOf({ rule, id })),
      )
  }

  /** Which of the deliveries have a job, in whatever state. @throws HoldfastError DEPENDENCY_* */
  existing(rule: string, definition: RuleDefinition, rows: readonly DeliveryPlace[]): Promise<boolean[]> {
    const { name, prefix } = this.#place(rule, definition)
    return this.#open().existing(name, prefix, rows.map(jobIdOf))
  }

  /** How many jobs of the rule are unfinished. @throws HoldfastError DEPENDENCY_* */
  async unfinished(rule: string, definition: RuleDefinition): Promise<number> {
    const { name, prefix } = this.#place(rule, definition)
    return (await this.#open().counts(name, prefix)).open
  }

  #place(rule: string, { queue }: RuleDefinition): { name: string; prefix: string } {
    return queue ?? { name: queueOf(rule), prefix: this.#prefix }
  }

  #open(): JobRedis {
    if (this.#redis) return this.#redis
    throw new HoldfastError('DEPENDENCY_REJECTED', 'no redis is configured for jobs')
  }

  /** The application's own workers know nothing of our ledger, so their jobs carry the whole event. */
  async #carrying(definition: RuleDefinition, row: Enqueued): Promise<NewJob | undefined> {
    const event = await eventAt(this.#ledger, row)
    if (!event) return undefined
    const { meta, data, partition: _, position: __, ...rest } = event
    const info = meta === null ? {} : { info: JSON.parse(meta) }
    return {
      name: definition.queue?.job ?? event.type,
      id: jobIdOf(row),
      data: { event: { ...rest, epoch: this.#ledger.epoch, data: JSON.parse(data), ...info } },
      delayMs: row.earlyMs,
      options: {
        ...keepEnded,
        attempts: definition.attempts,
        backoff: { type: 'exponential', delay: definition.backoffMs.first, jitter: 0.5 },
      },
    }
  }
}
