import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError } from '../../domain/index.ts'
import { AppendMeter } from './append-meter.ts'
import type { Entry } from './entry.ts'
import type { Outcome, TogetherOutcome } from './ledger.ts'
import { togetherOutcome } from './outcomes.ts'
import { isAboutContent, isFinal, otherEpoch, postgresError } from './postgres-error.ts'

export interface LaneLimits {
  /** Events of one batch. */
  readonly batchEvents: number
  /** Bytes of one batch; an event that is larger travels alone. */
  readonly batchBytes: number
  /** How long after its acceptance an event's fate may stay open. */
  readonly deadlineMs: number
}

export interface LaneWork {
  /** Sends one batch as one statement. `repeated`: an earlier attempt may have stored these events already. */
  readonly send: (entries: readonly Entry[], repeated: boolean) => Promise<readonly Outcome[]>
  /** The database has this epoch. Returns whether it is the present one; a past one is that of a wrong server. */
  readonly epochFound: (epoch: string) => boolean
  /** An event has got its end: so many bytes wait no longer. */
  readonly released: (bytes: number) => void
  readonly attemptFailed: (error: HoldfastError, attempt: number) => void
}

/** No channel's head: with it an event is only looked for by its id. */
const noOffset = -1

/** Most events are appended alone. */
const alone: readonly never[] = []

interface Pending {
  entry: Entry
  /** Recorded only together with it, right behind it. */
  readonly followers: readonly Entry[]
  /** Of all of them. */
  readonly bytes: number
  /** The epoch in which the offset that it expected means nothing. */
  voidIn?: string
  readonly deadline: number
  readonly resolve: (outcome: Outcome, followers: readonly Outcome[]) => void
  readonly reject: (error: HoldfastError) => void
  ended: boolean
}

/**
 * Group commit over some partitions. One batch is in flight at a time; what arrives meanwhile is the next one.
 * A batch whose fate is unknown is sent again, unchanged, until the answer says it or the last of its events is
 * over its deadline; later events wait behind it, each no longer than its own deadline, so that the order in which
 * a channel's events were accepted is the order in which they are stored.
 */
export class Lane {
  readonly #work: LaneWork
  readonly #limits: LaneLimits
  readonly #meter: AppendMeter
  readonly #waiting: Pending[] = []
  #inFlight: readonly Pending[] = []
  #running: Promise<void> | undefined
  #expiry: NodeJS.Timeout | undefined
  #lastError: HoldfastError | undefined

  constructor(work: LaneWork, limits: LaneLimits, meter = new AppendMeter()) {
    this.#work = work
    this.#limits = limits
    this.#meter = meter
  }

  /** @throws HoldfastError DEPENDENCY_TIMEOUT: it may be stored or not; DEPENDENCY_FAILED: it is not */
  append(entry: Entry): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + this.#limits.deadlineMs
      this.#push({ entry, followers: alone, bytes: entry.bytes, deadline, resolve, reject, ended: false })
    })
  }

  /** One batch has all of them, and nothing of another between them. @throws HoldfastError as `append` */
  appendTogether(
    [entry, ...followers]: readonly [Entry, ...Entry[]],
    bytes: number,
  ): Promise<TogetherOutcome> {
    return new Promise((done, reject) => {
      const deadline = performance.now() + this.#limits.deadlineMs
      const resolve: Pending['resolve'] = (first, others) => done(togetherOutcome(first, others))
      this.#push({ entry, followers, bytes, deadline, resolve, reject, ended: false })
    })
  }

  #push(pending: Pending): void {
    this.#waiting.push(pending)
    this.#running ??= this.#run()
    this.#expiry ??= setTimeout(() => this.#expire(), this.#limits.deadlineMs).unref()
  }

  /** Whatever waits or is under way and expects an offset of the epoch before. */
  beginEpoch(epoch: string): void {
    for (const pending of [...this.#inFlight, ...this.#waiting]) voidExpectation(pending, epoch)
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running
    clearTimeout(this.#expiry)
  }

  async #run(): Promise<void> {
    // After the sockets of this turn have been read: what they brought is one batch.
    await new Promise(resolve => setImmediate(resolve))
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) {
      this.#inFlight = batch
      await this.#commit(batch)
    }
    this.#inFlight = []
    this.#running = undefined
  }

  #take(): Pending[] {
    let bytes = 0
    let events = 0
    let count = 0
    for (const pending of this.#waiting) {
      bytes += pending.bytes
      events += 1 + pending.followers.length
      if (count > 0 && (events > this.#limits.batchEvents || bytes > this.#limits.batchBytes)) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #commit(batch: readonly Pending[], repeated = false): Promise<void> {
    for (let attempt = repeated ? 2 : 1; ; attempt++) {
      const open = batch.filter(pending => !pending.ended)
      if (open.length === 0) return
      try {
        const outcomes = await this.#send(entriesOf(open), attempt > 1)
        this.#resolveAll(open, outcomes)
        return
      } catch (thrown) {
        const error = postgresError(thrown)
        const epoch = otherEpoch(error)
        if (epoch !== undefined && this.#work.epochFound(epoch)) {
          for (const pending of open) voidExpectation(pending, epoch)
        } else if (isAboutContent(error)) {
          return this.#isolate(open, error, attempt > 1)
        } else if (isFinal(error)) {
          for (const pending of open) this.#reject(pending, error)
          return
        } else {
          this.#lastError = error
          this.#work.attemptFailed(error, attempt)
          await delay(Math.min(20 * 2 ** attempt, 500) * (0.5 + Math.random()))
        }
      }
    }
  }

  async #send(entries: readonly Entry[], repeated: boolean): Promise<readonly Outcome[]> {
    const { batchSize, committed, failed } = this.#meter
    const sentAt = performance.now()
    batchSize.record(entries.length)
    let took = failed
    try {
      const outcomes = await this.#work.send(entries, repeated)
      took = committed
      return outcomes
    } finally {
      took.record((performance.now() - sentAt) / 1_000)
    }
  }

  /** One event of the batch cannot be stored: halves it until that one is alone. */
  async #isolate(open: readonly Pending[], error: HoldfastError, repeated: boolean): Promise<void> {
    const [only] = open
    if (only && open.length === 1) {
      return this.#resolve(only, { kind: 'refused', code: 'PAYLOAD_INVALID', reason: error.message })
    }
    const middle = Math.ceil(open.length / 2)
    await this.#commit(open.slice(0, middle), repeated)
    await this.#commit(open.slice(middle), repeated)
  }

  #expire(): void {
    this.#expiry = undefined
    const now = performance.now()
    for (const pending of this.#inFlight) {
      if (pending.deadline <= now) this.#reject(pending, this.#overdue('it may be stored or not'))
    }
    const still = this.#waiting.findIndex(pending => pending.deadline > now)
    for (const pending of this.#waiting.splice(0, still < 0 ? this.#waiting.length : still)) {
      this.#reject(pending, this.#overdue('it was not sent'))
    }
    const next = this.#inFlight.find(pending => !pending.ended) ?? this.#waiting[0]
    if (next) this.#expiry = setTimeout(() => this.#expire(), next.deadline - now).unref()
  }

  #overdue(fate: string): HoldfastError {
    const message = `Postgres has not confirmed the event within ${this.#limits.deadlineMs} ms: ${fate}; repeat it with the same id`
    return new HoldfastError('DEPENDENCY_TIMEOUT', message, { cause: this.#lastError })
  }

  #resolveAll(open: readonly Pending[], outcomes: readonly Outcome[]): void {
    let at = 0
    const now = performance.now()
    for (const pending of open) {
      if (!pending.ended)
        this.#meter.stored.record((now - pending.deadline + this.#limits.deadlineMs) / 1_000)
      const { length } = pending.followers
      const followers = length === 0 ? alone : outcomes.slice(at + 1, at + 1 + length)
      this.#resolve(pending, outcomes[at] as Outcome, followers)
      at += 1 + length
    }
  }

  #resolve(pending: Pending, outcome: Outcome, followers: readonly Outcome[] = alone): void {
    if (pending.voidIn !== undefined && outcome.kind === 'conflict') {
      this.#reject(pending, new HoldfastError('EPOCH_CHANGED', `the ledger's epoch is now ${pending.voidIn}`))
    } else if (this.#end(pending)) pending.resolve(outcome, followers)
  }

  #reject(pending: Pending, error: HoldfastError): void {
    if (this.#end(pending)) pending.reject(error)
  }

  #end(pending: Pending): boolean {
    if (pending.ended) return false
    pending.ended = true
    this.#work.released(pending.bytes)
    return true
  }
}

function entriesOf(open: readonly Pending[]): Entry[] {
  const entries: Entry[] = []
  for (const { entry, followers } of open) {
    entries.push(entry)
    for (const follower of followers) entries.push(follower)
  }
  return entries
}

/**
 * Offsets of another life of the numbering mean nothing. But an earlier attempt may have stored the event, so it is
 * sent once more, and can only be found; everything else goes into the new epoch.
 */
function voidExpectation(pending: Pending, epoch: string): void {
  if (pending.entry.expectedOffset === null) return
  pending.entry = { ...pending.entry, expectedOffset: noOffset }
  pending.voidIn = epoch
}
