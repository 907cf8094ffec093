import { checkChannel, type NewEvent, normalizeEventId } from '../../domain/index.ts'
import { encodeClientInfo } from '../../protocol/index.ts'
import { partitionOf } from './partition-of.ts'

/** An event as the ledger takes it: nothing in it can make Postgres refuse the batch it is in. */
export interface Entry {
  readonly partition: number
  readonly channel: string
  readonly id: string
  readonly type: string
  readonly data: string
  readonly meta: string | null
  readonly expectedOffset: number | null
  /** About what it takes in memory and in a batch. */
  readonly bytes: number
  /** Where it is traced: the `traceparent` that what becomes of it hangs from. */
  readonly trace?: string | undefined
}

/** In characters. A type travels in every publication's tags. */
const maxTypeLength = 255
/** `holdfast.erased` says that an event's content is gone: nobody may record that of himself. */
const reservedTypes = 'holdfast.'
/** The largest frame a node can be configured to accept. */
const maxDataBytes = 16_777_216
/** Ids, numbers, and what an object costs. */
const overheadBytes = 200

/** In place of an expected head: has the fate of the entry before it in its batch, and is recorded only with that one. */
export const withPrevious = -2

/**
 * The entries of events that are recorded all or not at all, or the reason why that cannot be. The first one's expected
 * offset is that of all.
 */
export function entriesTogether(
  events: readonly (NewEvent & { readonly id: string })[],
  partitions: number,
): readonly [Entry, ...Entry[]] | string {
  const entries: Entry[] = []
  for (const event of events) {
    const entry = entryOf(event, partitions)
    if (typeof entry === 'string') return entry
    entries.push(entries.length === 0 ? entry : { ...entry, expectedOffset: withPrevious })
  }
  const [first, ...followers] = entries
  if (!first) return 'expected at least one event'
  if (followers.some(({ channel }) => channel !== first.channel)) return 'expected events of one channel'
  // Only entries with an expected head are judged one by one, and so can be left out together.
  if (first.expectedOffset === null && followers.length > 0) return 'expected an expectedOffset'
  return [first, ...followers]
}

/** The entry for an event, or the reason why it cannot be stored. */
export function entryOf(event: NewEvent & { readonly id: string }, partitions: number): Entry | string {
  const { channel, type, data, expectedOffset = null, trace } = event
  const id = normalizeEventId(event.id)
  const meta = event.info ? encodeClientInfo(event.info) : null
  if (!isChannel(channel)) return 'the channel has no valid name'
  if (id === undefined) return 'expected a UUID as id'
  if (type.length === 0 || type.length > maxTypeLength) {
    return `expected a type of 1 to ${maxTypeLength} characters, got ${type.length}`
  }
  if (type.startsWith(reservedTypes)) return `types that begin with ${reservedTypes} are the server's own`
  if (!isStorable(type)) return 'the type contains U+0000 or half of a surrogate pair'
  if (!isStorable(data)) return 'the data contains U+0000 or half of a surrogate pair'
  if (meta !== null && !isStorable(meta)) return 'the info contains U+0000 or half of a surrogate pair'
  if (expectedOffset !== null && !(Number.isSafeInteger(expectedOffset) && expectedOffset >= 0)) {
    return `expected an offset as expectedOffset, got ${expectedOffset}`
  }
  const bytes = Buffer.byteLength(data) + Buffer.byteLength(meta ?? '')
  if (bytes > maxDataBytes) return `expected at most ${maxDataBytes} bytes of data, got ${bytes}`
  const partition = partitionOf(channel, partitions)
  return { partition, channel, id, type, data, meta, expectedOffset, bytes: bytes + overheadBytes, trace }
}

/** Postgres text holds every character but U+0000, and only what UTF-8 can say. */
function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\u0000')
}

function isChannel(name: string): boolean {
  try {
    checkChannel(name)
    return true
  } catch {
    return false
  }
}
