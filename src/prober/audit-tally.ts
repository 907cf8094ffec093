import type { AuditSink, LostEvent, MirrorMismatch, PartitionAudit } from '../durable/index.ts'
import type { Logger } from '../platform/index.ts'
import type { AuditSummary } from './types.ts'

/** What was compared. */
export type Checked = 'acknowledged' | 'received' | 'ledger' | 'mirror' | 'history'

export type Mismatch = MirrorMismatch | 'received_missing' | 'received_other' | 'received_order'

const noMismatches: Readonly<Record<Mismatch, 0>> = {
  mirror_missing: 0,
  mirror_other: 0,
  history_other: 0,
  erased_copy: 0,
  received_missing: 0,
  received_other: 0,
  received_order: 0,
}

/** Findings that were told in the log, so that each is told once. */
const mostTold = 1_000
/** Differences that were counted, so that each counts once, although every pass finds it. Above it the oldest may count again. */
const mostCounted = 1_000

/** What auditing has found on this process, as it counts and as it is told in the log. */
export class AuditTally implements AuditSink {
  readonly checkedCounts = new Map<Checked, number>()
  /** All kinds stand there from the beginning: a series that begins with its first finding shows no increase. */
  readonly mismatchCounts = new Map(Object.entries(noMismatches) as [Mismatch, number][])
  readonly #logger: Logger
  readonly #told = new Set<string>()
  readonly #counted = new Set<string>()
  /** By partition and scope: what is missing there as of the latest look. */
  readonly #lostIn = new Map<string, number>()
  readonly #completed = new Map<PartitionAudit['scope'], number>()
  #byCanary = 0
  #leadsSince: number | undefined

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Of the canary of this node. */
  get lostByCanary(): number {
    return this.#byCanary
  }

  /** Of all partitions; 0 on a process that does not audit the ledger. */
  get lostInLedger(): number {
    const partitions = new Map<number, number>()
    for (const [key, count] of this.#lostIn) {
      const partition = Number.parseInt(key, 10)
      partitions.set(partition, Math.max(partitions.get(partition) ?? 0, count))
    }
    return [...partitions.values()].reduce((sum, count) => sum + count, 0)
  }

  get leading(): boolean {
    return this.#leadsSince !== undefined
  }

  /** Seconds since the last complete pass, or since the beginning of this process' turn; undefined where it audits nothing. */
  age(scope: PartitionAudit['scope']): number | undefined {
    if (this.#leadsSince === undefined) return undefined
    return (Date.now() - (this.#completed.get(scope) ?? this.#leadsSince)) / 1_000
  }

  checked(what: Checked, count: number): void {
    this.checkedCounts.set(what, (this.checkedCounts.get(what) ?? 0) + count)
  }

  mismatch(kind: Mismatch, about: Readonly<Record<string, unknown>>, count = 1): void {
    this.mismatchCounts.set(kind, (this.mismatchCounts.get(kind) ?? 0) + count)
    this.#tell('warn', { kind, ...about }, 'the audit has found a difference')
  }

  lostToCanary(about: Readonly<Record<string, unknown>>): void {
    this.#byCanary++
    this.#tell('error', about, lostMessage)
  }

  leads(leading: boolean): void {
    this.#leadsSince = leading ? Date.now() : undefined
    this.#completed.clear()
    // Whoever leads now finds it again.
    if (!leading) this.#lostIn.clear()
  }

  found({ partition, scope, lost, lostCount, differences, checked }: PartitionAudit): void {
    this.#lostIn.set(`${partition} ${scope}`, lostCount)
    for (const each of lost) this.#tellLost(each)
    for (const { kind, ...about } of differences)
      if (this.#anew(`${kind} ${about.offset} ${about.channel}`)) this.mismatch(kind, about)
    for (const [what, count] of Object.entries(checked)) this.checked(what as Checked, count)
  }

  completed(scope: PartitionAudit['scope']): void {
    this.#completed.set(scope, Date.now())
  }

  summary(): AuditSummary {
    return {
      lost: Math.max(this.#byCanary, this.lostInLedger),
      checked: [...this.checkedCounts.values()].reduce((sum, count) => sum + count, 0),
      mismatches: Object.fromEntries([...this.mismatchCounts].filter(([, count]) => count > 0)),
      completedAt: this.#completed.get('recent'),
      leading: this.leading,
    }
  }

  #anew(difference: string): boolean {
    if (this.#counted.has(difference)) return false
    this.#counted.add(difference)
    const [oldest = ''] = this.#counted.size > mostCounted ? this.#counted : []
    this.#counted.delete(oldest)
    return true
  }

  #tellLost({ says, ...about }: LostEvent): void {
    this.#tell('error', { ...about, why: says }, lostMessage)
  }

  #tell(level: 'warn' | 'error', about: Readonly<Record<string, unknown>>, message: string): void {
    const key = JSON.stringify(about)
    if (this.#told.has(key) || this.#told.size >= mostTold) return
    this.#told.add(key)
    this.#logger[level](about, message)
  }
}

const lostMessage = 'an acknowledged event is not in the ledger: see HoldfastAcknowledgedLost in the runbook'
