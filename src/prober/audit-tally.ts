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

/** What is missing in a partition. */
interface Missing {
  /** Of its newest events, as of the latest look. */
  readonly recent: number
  /** The same, at most, since the whole partition was looked at: newer events push a loss out of sight. */
  readonly most: number
  readonly whole: number
}

/** What auditing has found on this process, as it counts and as it is told in the log. */
export class AuditTally implements AuditSink {
  /** Hears at once how many are missing when more are: when somebody asks, another process may audit, and this one know of none. */
  onLoss: (lost: number) => void = () => undefined
  readonly checkedCounts = new Map<Checked, number>()
  /** All kinds stand there from the beginning: a series that begins with its first finding shows no increase. */
  readonly mismatchCounts = new Map(Object.entries(noMismatches) as [Mismatch, number][])
  readonly #logger: Logger
  readonly #told = new Set<string>()
  readonly #counted = new Set<string>()
  readonly #lostIn = new Map<number, Missing>()
  readonly #completed = new Map<PartitionAudit['scope'], number>()
  #wholeBegan = 0
  #wholeFrom: number | undefined
  #byCanary = 0
  #leadsSince: number | undefined
  #lost = 0

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Of the canary of this node. */
  get lostByCanary(): number {
    return this.#byCanary
  }

  /** Of all partitions; 0 on a process that does not audit the ledger. */
  get lostInLedger(): number {
    return [...this.#lostIn.values()].reduce((sum, { most, whole }) => sum + Math.max(most, whole), 0)
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
    this.#count()
  }

  leads(leading: boolean): void {
    this.#leadsSince = leading ? Date.now() : undefined
    this.#completed.clear()
    this.#wholeBegan = Date.now()
    this.#wholeFrom = undefined
    // Whoever leads now finds it again; that it was found, its mark says.
    if (!leading) this.#lostIn.clear()
    this.#count()
  }

  found({ partition, scope, lost, lostCount, differences, checked }: PartitionAudit): void {
    const { recent, most, whole } = this.#lostIn.get(partition) ?? { recent: 0, most: 0, whole: 0 }
    this.#lostIn.set(
      partition,
      scope === 'recent'
        ? { recent: lostCount, most: Math.max(most, lostCount), whole }
        : { recent, most: recent, whole: lostCount },
    )
    this.#count()
    for (const each of lost) this.#tellLost(each)
    for (const { kind, ...about } of differences)
      if (this.#anew(`${kind} ${about.offset} ${about.channel}`)) this.mismatch(kind, about)
    for (const [what, count] of Object.entries(checked)) this.checked(what as Checked, count)
  }

  completed(scope: PartitionAudit['scope']): void {
    const now = Date.now()
    this.#completed.set(scope, now)
    if (scope === 'recent') return
    this.#wholeFrom = this.#wholeBegan
    this.#wholeBegan = now
  }

  summary(): AuditSummary {
    return {
      lost: this.#lost,
      checked: [...this.checkedCounts.values()].reduce((sum, count) => sum + count, 0),
      mismatches: Object.fromEntries([...this.mismatchCounts].filter(([, count]) => count > 0)),
      completedAt: this.#completed.get('recent'),
      wholeFrom: this.#wholeFrom,
      leading: this.leading,
    }
  }

  #count(): void {
    const before = this.#lost
    this.#lost = Math.max(this.#byCanary, this.lostInLedger)
    if (this.#lost > before) this.onLoss(this.#lost)
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
