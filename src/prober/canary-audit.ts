import type { LogAccess } from '../durable/index.ts'
import type { AuditTally } from './audit-tally.ts'
import type { CanaryRecord, Told } from './record.ts'

type Row = Awaited<ReturnType<LogAccess['ledger']['readChannel']>>['events'][number]

/** The newest, and as many older ones: a pass costs two short reads, and comes round to everything in a few. */
const pageSize = 200
/** What is in the ledger for so long has been delivered to whoever follows the channel. */
const deliveredWithinMs = 30_000
/** Findings that are remembered, so that each is counted once. */
const mostFound = 1_000

export interface CanaryAuditOptions {
  readonly log: Pick<LogAccess, 'ledger'>
  readonly record: CanaryRecord
  readonly channel: string
  /** Whether the canary follows its channel now. */
  readonly follows: () => boolean
  readonly tally: AuditTally
}

/**
 * Compares what this node's canary was told and delivered with what the ledger has: every append that was acknowledged to
 * it, and every event that it has received, and whether it has received all there are.
 */
export class CanaryAudit {
  readonly #options: CanaryAuditOptions
  readonly #found = new Set<string>()
  #next = 0
  #disordered = 0
  #follows = false
  /** Offsets that are in the ledger and were not delivered when they were first looked for. */
  readonly #waiting = new Map<number, number>()

  constructor(options: CanaryAuditOptions) {
    this.#options = options
  }

  /** Whether it could be done; where the ledger does not answer, it can't. */
  async pass(): Promise<boolean> {
    const { record, tally, log, channel, follows } = this.#options
    this.#follows = follows()
    const { epoch } = record
    if (epoch === '' || epoch !== log.ledger.epoch) return epoch === ''
    // What is told from here on may be recorded after the pages were read.
    const { highest } = record
    const newest = await log.ledger.readChannel(channel, { limit: pageSize, reverse: true })
    const { floor, head, events } = newest
    record.forget(floor)
    const since = this.#next > floor && this.#next < head ? this.#next : floor
    const page = await log.ledger.readChannel(channel, { since, limit: pageSize })
    // Another life of the numbering has begun meanwhile: nothing can be compared.
    if (epoch !== record.epoch || epoch !== log.ledger.epoch) return false
    const through = page.events.at(-1)?.offset ?? since
    this.#next = through < head ? through : 0
    const oldest = events.length < pageSize ? floor + 1 : (events.at(-1)?.offset ?? head)
    this.#compare(events, Math.max(oldest, page.floor + 1), Math.max(head, highest))
    this.#compare(page.events, Math.max(since, page.floor) + 1, through)
    const disordered = record.outOfOrder - this.#disordered
    if (disordered > 0) tally.mismatch('received_order', { channel, last: record.last }, disordered)
    this.#disordered = record.outOfOrder
    return true
  }

  /** All rows that the ledger has from an offset through another. */
  #compare(rows: readonly Row[], from: number, through: number): void {
    const { record } = this.#options
    const byOffset = new Map(rows.map(row => [row.offset, row]))
    const within = ({ offset }: Told) => offset >= from && offset <= through
    for (const told of record.acknowledged.values())
      if (within(told)) this.#told('acknowledged', told, byOffset)
    for (const told of record.received.values()) if (within(told)) this.#received(told, byOffset)
    for (const row of rows) this.#delivered(row)
  }

  #told(what: 'acknowledged' | 'received', told: Told, rows: ReadonlyMap<number, Row>): Row | undefined {
    const row = rows.get(told.offset)
    this.#options.tally.checked(what, 1)
    if (row?.id === told.id) return row
    const { channel, tally } = this.#options
    const why = row ? 'another event is there' : 'it is not there'
    this.#once(`lost ${told.offset}`, () => tally.lostToCanary({ channel, ...told, what, why }))
    return undefined
  }

  #received(received: Told & { readonly data: string }, rows: ReadonlyMap<number, Row>): void {
    const row = this.#told('received', received, rows)
    if (!row || row.type === 'holdfast.erased' || sameJson(row.data, received.data)) return
    const about = { channel: row.channel, offset: row.offset }
    this.#once(`other ${row.offset}`, () => this.#options.tally.mismatch('received_other', about))
  }

  /** Whether an event that is there for a while was delivered. By this process' clock alone: the database has another. */
  #delivered({ channel, offset }: Row): void {
    const { record, tally } = this.#options
    if (offset < record.from || record.received.has(offset)) {
      this.#waiting.delete(offset)
      return
    }
    const overtaken = offset < record.last
    const since = this.#waiting.get(offset) ?? performance.now()
    if (this.#waiting.size < pageSize) this.#waiting.set(offset, since)
    const due = this.#follows && performance.now() - since > deliveredWithinMs
    if (overtaken || due)
      this.#once(`missing ${offset}`, () => tally.mismatch('received_missing', { channel, offset }))
  }

  #once(finding: string, count: () => void): void {
    const key = `${this.#options.record.epoch} ${finding}`
    if (this.#found.has(key) || this.#found.size >= mostFound) return
    this.#found.add(key)
    count()
  }
}

function sameJson(one: string, other: string): boolean {
  return one === other || JSON.stringify(JSON.parse(one)) === other
}
