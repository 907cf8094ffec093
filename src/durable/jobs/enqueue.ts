import { HoldfastError, type StoredEvent } from '../../domain/index.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { DeliveryPlace } from './delivery-rows.ts'
import type { JobRedis, JobState, NewJob } from './job-redis.ts'
import type { RuleDefinition } from './rule.ts'

/** A delivery on its way into a queue. */
export interface Enqueued extends DeliveryPlace {
  /** How long it is not due yet, in milliseconds. */
  readonly earlyMs: number
  /** Where it is traced: the `traceparent` of what it has come of. */
  readonly trace?: string | undefined
}

/**
 * How long the ended jobs of an application's own queue stay there at most. One whose end nobody has seen, because our
 * workers or Postgres are away, would be added again without them.
 */
const keepEnded = { removeOnComplete: { age: 7 * 86_400 }, removeOnFail: { age: 7 * 86_400 } }

/** A delivery that got no job and never will, and why. */
export interface Refused<Row> {
  readonly row: Row
  readonly state: 'discarded' | 'parked'
  readonly reason: string
}

/** Whole events are read, and go to Redis, in calls that a slow one ends well before their deadline. */
const readAtOnce = 50
const bytesAtOnce = 1_048_576
/** JSON is nested so much deeper inside BullMQ than where it is tried, by its wrapping and by the calls under way. */
const spareDepth = 500

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
   * Adds jobs; those that are there already stay as they are. Returns deliveries that got none: their event is gone, or
   * is one that a job can't carry.
   * @throws HoldfastError DEPENDENCY_*
   */
  async add<Row extends Enqueued>(
    rule: string,
    definition: RuleDefinition,
    rows: readonly Row[],
  ): Promise<Refused<Row>[]> {
    if (definition.queue) return this.#addCarrying(definition, definition.queue, rows)
    const jobs = rows.map(row => ({
      name: rule,
      id: jobIdOf(row),
      data: { rule, partition: row.partition, position: row.position, id: row.id },
      delayMs: row.earlyMs,
      trace: row.trace,
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

  /** Jobs that carry their events, so many in a call as their size allows. */
  async #addCarrying<Row extends Enqueued>(
    definition: RuleDefinition,
    queue: { readonly name: string; readonly prefix: string },
    rows: readonly Row[],
  ): Promise<Refused<Row>[]> {
    const refused: Refused<Row>[] = []
    let bulk: NewJob[] = []
    let bytes = 0
    const flush = async () => {
      await this.#open().add(queue.name, queue.prefix, bulk)
      bulk = []
      bytes = 0
    }
    for (let i = 0; i < rows.length; i += readAtOnce) {
      const read = await Promise.all(
        rows.slice(i, i + readAtOnce).map(async row => ({ row, event: await eventAt(this.#ledger, row) })),
      )
      for (const { row, event } of read) {
        const job = event ? jobCarrying(event, this.#ledger.epoch, definition, row) : gone
        if ('reason' in job) {
          refused.push({ row, ...job })
          continue
        }
        if (bytes + job.bytes > bytesAtOnce) await flush()
        bulk.push(job)
        bytes += job.bytes
      }
    }
    await flush()
    return refused
  }
}

const gone = { state: 'discarded', reason: 'its event is not in the ledger any more' } as const

/** The application's own workers know nothing of our ledger, so their jobs carry the whole event. */
function jobCarrying(
  stored: StoredEvent,
  epoch: string,
  definition: RuleDefinition,
  row: Enqueued,
): (NewJob & { readonly bytes: number }) | Omit<Refused<Enqueued>, 'row'> {
  const { meta, data, partition: _, position: __, ...rest } = stored
  const info = meta === null ? {} : { info: JSON.parse(meta) }
  const event = { ...rest, epoch, data: JSON.parse(data), ...info }
  try {
    // BullMQ makes text of all jobs of a call, and one that it can't make text of would keep the others away.
    const text = JSON.stringify(wrapped(event))
    return {
      name: definition.queue?.job ?? stored.type,
      id: jobIdOf(row),
      data: { event },
      bytes: Buffer.byteLength(text),
      delayMs: row.earlyMs,
      trace: row.trace,
      options: {
        ...keepEnded,
        attempts: definition.attempts,
        backoff: { type: 'exponential', delay: definition.backoffMs.first, jitter: 0.5 },
      },
    }
  } catch (error) {
    return { state: 'parked', reason: `no job can carry its event: ${(error as Error).message}` }
  }
}

function wrapped(value: unknown): unknown {
  let deep = value
  for (let i = 0; i < spareDepth; i++) deep = [deep]
  return deep
}
