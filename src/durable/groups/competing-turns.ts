import type { Logger, Transaction } from '../../platform/index.ts'
import type { Statements } from './delivery-rows.ts'
import type { Failure } from './failure.ts'
import type { GroupMeter } from './group-meter.ts'
import type { TurnItem } from './handler-call.ts'
import type { GroupSettings } from './settings.ts'
import { sqlState } from './sql-state.ts'
import type { Turns } from './turn.ts'
import { type Blame, halves } from './turn-sizes.ts'

/** Postgres: a lock was not free in time. */
const lockNotAvailable = '55P03'

/** How items are claimed and settled. */
export interface Manner {
  /** Claims items in the transaction of their effects, as its first statement; returns those that are one's own. */
  take(tx: Transaction, items: readonly TurnItem[]): Promise<readonly TurnItem[]>
  /** Settles what was taken, where taking it has not done that. */
  settle(tx: Transaction, taken: readonly TurnItem[]): Statements
  /** Writes what is still owed, in a transaction of its own. False where it was somebody else's by then. */
  owe(item: TurnItem, failure: Failure): Promise<boolean>
}

/** What became of items. */
export interface Handled {
  /** Settled, by this process or before it. */
  readonly ended: TurnItem[]
  /** Of those that ended: how many were somebody else's. */
  suppressed: number
  /** Left where they are: Postgres could not settle them, or the work was lost. */
  readonly left: TurnItem[]
  /** Left to somebody else, who is at work on them. */
  readonly busy: TurnItem[]
  /** In how many milliseconds the first of those is due that are owed again. */
  owedInMs: number
}

export interface TurnsOfGroup {
  readonly name: string
  readonly settings: GroupSettings
  readonly epoch: string
  readonly turns: Turns
  readonly meter: GroupMeter
  readonly signal: AbortSignal
  readonly logger: Logger
}

/**
 * Handles items, together while all goes well. Where one fails, everything is rolled back: those before it are done again
 * without it, and it is handled alone, so that nobody's failure counts as another's. What has failed together is halved
 * for that. Never rejects.
 */
export async function handleItems(
  group: TurnsOfGroup,
  manner: Manner,
  items: readonly TurnItem[],
): Promise<Handled> {
  const handled: Handled = {
    ended: [],
    suppressed: 0,
    left: [],
    busy: [],
    owedInMs: Number.POSITIVE_INFINITY,
  }
  const waiting: (readonly TurnItem[])[] = [items]
  for (let some = waiting.shift(); some; some = waiting.shift()) {
    if (some.length > 0) waiting.unshift(...(await handleSome(group, manner, some, handled)))
  }
  return handled
}

/** Returns what has to be done again, in smaller parts. */
async function handleSome(
  { name, settings, epoch, turns, meter, signal, logger }: TurnsOfGroup,
  manner: Manner,
  items: readonly TurnItem[],
  handled: Handled,
): Promise<readonly (readonly TurnItem[])[]> {
  let taken: readonly TurnItem[] = []
  const result = await turns.run({
    settings,
    group: name,
    epoch,
    items,
    signal,
    duration: meter.duration,
    take: async tx => {
      taken = await manner.take(tx, items)
      return taken
    },
    settle: tx => manner.settle(tx, taken),
  })
  switch (result.kind) {
    case 'settled':
      meter.done(taken.length)
      handled.ended.push(...items)
      handled.suppressed += items.length - taken.length
      return []
    case 'failed': {
      const { blame, failure } = result
      const [only, ...others] = items
      if (others.length > 0) return around(items, blame)
      if (only) meter.failed(result)
      if (only) await oweOne(manner, only, failure, handled, logger)
      return []
    }
    case 'unavailable':
      if (sqlState(result.error) === lockNotAvailable) {
        // The others need not wait for it.
        if (items.length > 1) return singly(items)
        handled.busy.push(...items)
        return []
      }
      logger.warn({ group: name, err: result.error }, 'could not settle events; they are tried again')
      break
    case 'lost':
    case 'aborted':
      break
  }
  handled.left.push(...items)
  return []
}

async function oweOne(
  manner: Manner,
  item: TurnItem,
  failure: Failure,
  handled: Handled,
  logger: Logger,
): Promise<void> {
  try {
    const owed = await manner.owe(item, failure)
    handled.ended.push(item)
    if (!owed) handled.suppressed++
    else if (failure.kind === 'retry') handled.owedInMs = Math.min(handled.owedInMs, failure.afterMs)
  } catch (error) {
    logger.warn({ err: error }, 'could not write what is still owed; the event is handled again')
    handled.left.push(item)
  }
}

function singly(items: readonly TurnItem[]): (readonly TurnItem[])[] {
  return items.map(item => [item])
}

function around(items: readonly TurnItem[], { index, count }: Blame): (readonly TurnItem[])[] {
  const [half = count] = halves(count)
  const ends = [index, index + half, index + count]
  return [0, ...ends].map((from, i) => items.slice(from, ends[i]))
}
