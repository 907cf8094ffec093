import type { StoredEvent } from '../../domain/index.ts'
import type { EntryResult } from './append-batch.ts'
import type { Entry } from './entry.ts'
import type { Outcome, TogetherOutcome } from './ledger.ts'

/** What the database said of an entry, in the ledger's words. */
export function outcomeOf(entry: Entry, result: EntryResult): Outcome {
  switch (result.outcome) {
    case 's':
      return { kind: 'stored', event: storedEvent(entry, result) }
    case 'd':
      return { kind: 'duplicate', offset: result.offset, time: result.time }
    case 'c':
      return { kind: 'conflict', head: result.offset }
    default:
      return {
        kind: 'refused',
        reason: `the id ${entry.id} belongs to another event of this channel (offset ${result.offset})`,
      }
  }
}

/** What became of events that are recorded all or not at all: with the first one all are stored, or none is. */
export function togetherOutcome(first: Outcome, followers: readonly Outcome[]): TogetherOutcome {
  return first.kind === 'stored' ? { kind: 'stored', events: storedEvents([first, ...followers]) } : first
}

/** The events that a batch has stored, in position order. */
export function storedEvents(outcomes: readonly Outcome[]): StoredEvent[] {
  return outcomes.flatMap(outcome => (outcome.kind === 'stored' ? [outcome.event] : [])).sort(byPosition)
}

/**
 * The events of a repeated batch that have to be made known as stored. Its duplicates are, as a rule, what an
 * earlier attempt stored without our hearing of it: those above the last position known in their partition. Each
 * list is a run of one partition without holes; between two runs lie other nodes' events.
 */
export function unheardRuns(
  entries: readonly Entry[],
  results: readonly EntryResult[],
  knownPosition: (partition: number) => number,
): StoredEvent[][] {
  const events = entries
    .flatMap((entry, i) => (/[sd]/.test(results[i]?.outcome ?? '') ? [storedEvent(entry, results[i])] : []))
    .filter(event => event.position > knownPosition(event.partition))
    .sort(byPosition)
  const runs: StoredEvent[][] = []
  let last: StoredEvent | undefined
  for (const event of events) {
    const step = last?.partition === event.partition ? event.position - last.position : undefined
    if (step === 1) runs.at(-1)?.push(event)
    else if (step !== 0) runs.push([event])
    last = event
  }
  return runs
}

function byPosition(a: StoredEvent, b: StoredEvent): number {
  return a.partition - b.partition || a.position - b.position
}

/** Position 0 where the database gave none, because what it has under this id is not wholly the same. */
function storedEvent(entry: Entry, result: EntryResult | undefined): StoredEvent {
  const { partition, channel, id, type, data, meta, trace } = entry
  const { position, offset = 0, time = 0 } = result ?? {}
  return { channel, offset, position: position ?? 0, partition, id, type, data, meta, time, trace }
}
