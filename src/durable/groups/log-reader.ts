import type { StoredEvent } from '../../domain/index.ts'
import type { LogAccess } from '../log-access.ts'
import { loggedEvent } from './logged-event.ts'
import type { News } from './news.ts'

export interface LogPage {
  /** In ascending order of their positions; what is missing in between, retention has removed. */
  readonly events: readonly StoredEvent[]
  /** Everything up to here was looked at; below the asked position where there is nothing new. */
  readonly through: number
}

export interface LogRequest {
  readonly partition: number
  /** The epoch that `from` belongs to: in another one the log of this node is another log. */
  readonly epoch: string
  /** The first position wanted. */
  readonly from: number
  readonly limit: number
}

/** Bytes of a page, behind which no further event begins. */
const pageBytes = 1_048_576

/**
 * Reads partitions: the log where it is whole at the asked position, else the ledger. A trimmed, wiped or refilled log,
 * or one that lags behind, costs time and nothing else.
 */
export class LogReader {
  readonly #log: LogAccess
  readonly #news: News

  constructor(log: LogAccess, news: News) {
    this.#log = log
    this.#news = news
  }

  /** @throws HoldfastError DEPENDENCY_* where the ledger is needed and does not answer */
  async read(request: LogRequest): Promise<LogPage> {
    const { partition, from } = request
    if (!this.#news.mayHave(partition, from - 1)) return { events: [], through: from - 1 }
    return (await this.#fromLog(request)) ?? this.#fromLedger(request)
  }

  async #fromLog({ partition, epoch, from, limit }: LogRequest): Promise<LogPage | undefined> {
    const { ledger, redis, ledgerBehind } = this.#log
    if (!redis?.mirrors.reachable || ledgerBehind || ledger.epoch !== epoch) return undefined
    try {
      const { entries, last } = await redis.mirrors.readLog(partition, { from, limit, maxBytes: pageBytes })
      this.#news.heard(partition, last)
      const events = entries.map(entry => loggedEvent({ ...entry, partition }))
      const end = events.at(-1)
      return end && { events, through: end.position }
    } catch {
      return undefined
    }
  }

  async #fromLedger({ partition, from, limit }: LogRequest): Promise<LogPage> {
    const headBefore = this.#news.head(partition)
    const { events, through } = await this.#log.ledger.readPartition(partition, from, limit)
    if (events.at(-1)?.position !== through) this.#news.endsAt(partition, through, headBefore)
    return { events, through }
  }
}
