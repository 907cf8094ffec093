import type { StoredEvent } from '../../domain/index.ts'
import type { LogAccess } from '../log-access.ts'
import { partitionKeys } from '../mirror/keys.ts'

/** How often the ledger is asked for the heads of what is watched, in one statement. */
const lookMs = 1_000
/** While the bus is away, or there is none: this is then how long another node's event takes. */
const lookAloneMs = 250

/**
 * So long this node's own commits are kept back while Redis answers: the mirror says them as a rule earlier, and who hears
 * of them before they are in the log reads the ledger in vain.
 */
const ownDelayMs = 10

/** Messages that can't be read come in flocks, while another release works. */
const doubtMs = 20

interface Waiter {
  readonly above: number
  readonly wake: () => void
}

interface Watched {
  watchers: number
  /** The highest position that was heard of; undefined: nothing is known yet. */
  head: number | undefined
  readonly waiters: Set<Waiter>
}

/**
 * Hears that partitions have moved: from the mirror over the bus, from this node's own commits, and by asking the ledger
 * about once a second. A hint that spares reading in vain, never the truth: it may come late, and it may be too high.
 */
export class News {
  readonly #log: LogAccess
  readonly #watched = new Map<number, Watched>()
  readonly #listeners = new Set<(partition: number) => void>()
  readonly #stop: (() => void)[]
  #epoch: string
  #timer: NodeJS.Timeout | undefined
  #own = new Map<number, number>()
  #ownTimer: NodeJS.Timeout | undefined
  #inDoubt = false
  #closed = false

  constructor(log: LogAccess) {
    this.#log = log
    this.#epoch = log.ledger.epoch
    const bus = log.redis?.bus
    this.#stop = [
      log.ledger.onStored(events => this.#heardOwn(events)),
      log.ledger.onEpoch(epoch => this.#changeEpoch(epoch)),
      // What was published while the connection was away is lost.
      ...(bus ? [bus.onReconnect(() => this.#lookSoon(0))] : []),
    ]
  }

  /** Begins to listen for a partition; call the result to end it. */
  watch(partition: number): () => void {
    const watched = this.#watched.get(partition) ?? { watchers: 0, head: undefined, waiters: new Set() }
    this.#watched.set(partition, watched)
    if (watched.watchers++ === 0) this.#subscribe(partition)
    if (!this.#timer) this.#lookSoon(0)
    let watching = true
    return () => {
      if (!watching) return
      watching = false
      if (--watched.watchers > 0) return
      this.#watched.delete(partition)
      this.#log.redis?.bus.unsubscribe(partitionKeys(this.#epoch, partition).news)
    }
  }

  /** Calls `listener` with each watched partition of which there is news; it must not throw. */
  listen(listener: (partition: number) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Whether looking for something above `position` may be worth while. */
  mayHave(partition: number, position: number): boolean {
    return (this.#watched.get(partition)?.head ?? Number.POSITIVE_INFINITY) > position
  }

  head(partition: number): number | undefined {
    return this.#watched.get(partition)?.head
  }

  heard(partition: number, position: number): void {
    const watched = this.#watched.get(partition)
    if (!watched || (watched.head ?? -1) >= position) return
    watched.head = position
    for (const { above, wake } of watched.waiters) if (position > above) wake()
    this.#tell(partition)
  }

  /**
   * The ledger was asked, and ends at `position`. What was heard while it was asked may be younger than its answer:
   * `headBefore` is what was known when the question left.
   */
  endsAt(partition: number, position: number, headBefore: number | undefined): void {
    const watched = this.#watched.get(partition)
    if (watched && watched.head === headBefore) watched.head = position
  }

  /** Resolves when something above `position` may be there, after `ms`, or when the signal aborts; never rejects. */
  wait(partition: number, position: number, ms: number, signal?: AbortSignal): Promise<void> {
    const watched = this.#watched.get(partition)
    if (signal?.aborted || (watched?.head ?? -1) > position) return Promise.resolve()
    return new Promise(resolve => {
      const end = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', end)
        watched?.waiters.delete(waiter)
        resolve()
      }
      const timer = setTimeout(end, ms)
      const waiter = { above: position, wake: end }
      signal?.addEventListener('abort', end)
      watched?.waiters.add(waiter)
    })
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#ownTimer)
    for (const stop of this.#stop) stop()
    for (const partition of this.#watched.keys())
      this.#log.redis?.bus.unsubscribe(partitionKeys(this.#epoch, partition).news)
    this.#watched.clear()
  }

  #tell(partition: number): void {
    for (const listener of this.#listeners) listener(partition)
  }

  #heardOwn(events: readonly StoredEvent[]): void {
    for (const { partition, position } of events)
      if (this.#watched.has(partition)) this.#own.set(partition, position)
    if (this.#own.size === 0 || this.#ownTimer) return
    const delay = this.#log.redis?.mirrors.reachable ? ownDelayMs : 0
    this.#ownTimer = setTimeout(() => {
      const own = this.#own
      this.#own = new Map()
      this.#ownTimer = undefined
      for (const [partition, position] of own) this.heard(partition, position)
    }, delay)
  }

  #subscribe(partition: number): void {
    const { news } = partitionKeys(this.#epoch, partition)
    const subscribed = this.#log.redis?.bus.subscribe(news, payload => {
      const text = payload.toString('latin1')
      if (!/^\d+$/.test(text)) {
        this.#log.foreign.note('news', news)
        this.#lookInDoubt()
        return
      }
      const position = Number(text)
      // Even if that head is known: only from now on the log has what lies below it.
      if ((this.head(partition) ?? -1) >= position) this.#tell(partition)
      else this.heard(partition, position)
    })
    // It stays wanted, and is subscribed when Redis is back.
    subscribed?.catch(() => undefined)
  }

  /** Positions of the old epoch mean nothing any more, and the bus channels have other names. */
  #changeEpoch(epoch: string): void {
    for (const partition of this.#watched.keys())
      this.#log.redis?.bus.unsubscribe(partitionKeys(this.#epoch, partition).news)
    this.#epoch = epoch
    this.#own.clear()
    for (const [partition, watched] of this.#watched) {
      watched.head = undefined
      this.#subscribe(partition)
      for (const { wake } of watched.waiters) wake()
    }
  }

  /** Something is new that can't be read; many such messages lead to one look. */
  #lookInDoubt(): void {
    if (this.#inDoubt) return
    this.#inDoubt = true
    this.#lookSoon(doubtMs)
  }

  #lookSoon(ms: number): void {
    if (this.#closed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      void this.#look().finally(() =>
        this.#lookSoon(this.#inDoubt ? doubtMs : this.#log.redis?.bus.ready ? lookMs : lookAloneMs),
      )
    }, ms)
    this.#timer.unref()
  }

  async #look(): Promise<void> {
    const epoch = this.#epoch
    this.#inDoubt = false
    try {
      const heads = await this.#log.ledger.partitionHeads([...this.#watched.keys()])
      if (epoch !== this.#epoch) return
      for (const [partition, head] of heads) this.heard(partition, head)
    } catch {
      // Postgres is away: nothing can be settled either, and the next look comes soon.
    }
  }
}
