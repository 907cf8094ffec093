import type { StoredEvent } from '../../domain/index.ts'
import { encodeEvent, pushPublication } from '../../protocol/index.ts'

/** An event as the mirror and the feeds carry it: its places, and the line that goes to sockets as it is. */
export interface Entry {
  readonly partition: number
  readonly position: number
  readonly channel: string
  readonly offset: number
  readonly line: string
  /** Where it is traced: a `traceparent`. */
  readonly trace?: string | undefined
}

export function entryOf(event: StoredEvent): Entry {
  const { partition, position, channel, offset, trace } = event
  return { partition, position, channel, offset, line: eventLine(event), trace }
}

/**
 * The push line of an event. The wire separates messages by newlines; a raw one inside JSON can only be white
 * space between tokens, so a blank says the same.
 */
export function eventLine(event: StoredEvent): string {
  const line = pushPublication(event.channel, encodeEvent(event))
  return line.includes('\n') ? line.replaceAll('\n', ' ') : line
}
