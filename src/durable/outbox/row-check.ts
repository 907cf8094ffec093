import { HoldfastError, type NamespaceOptions, namespaceOf, storable } from '../../domain/index.ts'
import { entryOf } from '../ledger/entry.ts'
import { within } from '../mirror/deadline.ts'
import type { FitRow, OutboxRow, UnfitRow } from './outbox-rows.ts'

export interface CheckOptions {
  readonly namespaces: Readonly<Record<string, Pick<NamespaceOptions, 'tier'>>>
  readonly partitions: number
  /**
   * How long a row of a namespace that is not declared here is left to other nodes, which may know it: while a new version
   * is rolled out, the old nodes do not.
   */
  readonly undeclaredSeconds: number
  /**
   * Refuses, by throwing, what does not match the application's contract. A HoldfastError with the remedy `retry_later`
   * says that it cannot tell now.
   */
  readonly check?: ((channel: string, type: string, value: unknown) => void | Promise<void>) | undefined
}

export interface Checked {
  readonly fit: readonly FitRow[]
  readonly unfit: readonly UnfitRow[]
  /** Channels of which rows are left for a later turn. */
  readonly waiting: ReadonlySet<string>
  /** Why; undefined where there are none. */
  readonly postponed: HoldfastError | undefined
}

type Verdict =
  | ({ readonly kind: 'fit' } & FitRow)
  | ({ readonly kind: 'unfit' } & UnfitRow)
  | { readonly kind: 'later'; readonly error: HoldfastError }

/** A check of the application's may ask somebody; one that hangs must not stop the outbox without a word. */
const checkTimeoutMs = 5_000

/** Parts rows into what the ledger can take and what it never can. A channel ends at its first row that has to wait. */
export async function checkRows(rows: readonly OutboxRow[], options: CheckOptions): Promise<Checked> {
  const verdicts = await Promise.all(rows.map(row => verdictOn(row, options)))
  const fit: FitRow[] = []
  const unfit: UnfitRow[] = []
  const waiting = new Set<string>()
  let postponed: HoldfastError | undefined
  for (const [i, verdict] of verdicts.entries()) {
    const channel = rows[i]?.channel ?? ''
    if (waiting.has(channel)) continue
    if (verdict.kind === 'fit') fit.push(verdict)
    else if (verdict.kind === 'unfit') unfit.push(verdict)
    else {
      waiting.add(channel)
      postponed ??= verdict.error
    }
  }
  return { fit, unfit, waiting, postponed }
}

async function verdictOn(row: OutboxRow, options: CheckOptions): Promise<Verdict> {
  const { id, channel, type, data, eventId } = row
  const unfit = (reason: string): Verdict => ({ kind: 'unfit', id, reason: storable(reason, 1_000) })
  const entry = entryOf({ channel, type, data, id: eventId }, options.partitions)
  if (typeof entry === 'string') return unfit(entry)
  const namespace = namespaceOf(channel)
  if (!Object.hasOwn(options.namespaces, namespace)) {
    const reason = `the namespace ${JSON.stringify(namespace)} is not declared`
    if (row.ageSeconds >= options.undeclaredSeconds) return unfit(reason)
    return { kind: 'later', error: new HoldfastError('CHANNEL_UNKNOWN', `${reason} on this node`) }
  }
  if (options.namespaces[namespace]?.tier !== 'durable') return unfit(`${channel} is not durable`)
  // Also without a contract: the owner of the table may have written past holdfast.publish.
  const value = parsed(data)
  if (value === undefined) return unfit('the data is no JSON')
  try {
    const checking = options.check?.(channel, type, value)
    if (checking) await within(checking, checkTimeoutMs, 'the check of an event in the outbox')
  } catch (error) {
    if (error instanceof HoldfastError && error.remedy === 'retry_later') return { kind: 'later', error }
    return unfit(error instanceof Error ? error.message : String(error))
  }
  return { kind: 'fit', id, entry }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
