import type { StoredEvent } from '../../domain/index.ts'
import type { ChannelHead, Ledger } from '../ledger/ledger.ts'
import { eventLine } from '../mirror/entry.ts'
import type { Feed } from './feed.ts'

/** Channels of one statement. */
const batchSize = 500
/** A channel that lacks more reads on by itself, in larger pages. */
const perChannel = 32
const maxBytes = 1_048_576

/**
 * Brings feeds up to their heads. What many of them lack little of is read for all of them together: where thousands of
 * channels have moved, a statement for each would take longer than the next ones take to move again. A feed that lacks
 * more, or that is told of a head although this has failed, reads on by itself.
 */
export async function bringUp(ledger: Ledger, heads: ReadonlyMap<Feed, ChannelHead>): Promise<void> {
  const lacking = [...heads].flatMap(([feed, { head }]) => (lacksLittle(feed, head) ? [feed] : []))
  try {
    for (let i = 0; i < lacking.length; i += batchSize) await readOn(ledger, lacking.slice(i, i + batchSize))
  } finally {
    for (const [feed, { head, floor }] of heads) if (!feed.ended) feed.hear(head, floor)
  }
}

function lacksLittle(feed: Feed, head: number): boolean {
  return feed.opened && head > feed.position && head - feed.position <= perChannel
}

async function readOn(ledger: Ledger, feeds: readonly Feed[]): Promise<void> {
  const byChannel = new Map(feeds.filter(feed => !feed.ended).map(feed => [feed.channel, feed]))
  const places = [...byChannel].map(([channel, { position }]) => ({ channel, since: position }))
  const events = await ledger.readAfter(places, { perChannel, maxBytes })
  for (const run of runsOf(events)) {
    const feed = byChannel.get(run.channel)
    // Ended meanwhile, as all are where the answer belongs to another epoch.
    if (feed && !feed.ended) feed.offer(run)
  }
}

/** Events of one channel in a row, without a hole. */
function runsOf(events: readonly StoredEvent[]) {
  const runs: { channel: string; first: number; count: number; text: string }[] = []
  for (const event of events) {
    const last = runs.at(-1)
    const line = eventLine(event)
    if (last?.channel === event.channel && last.first + last.count === event.offset) {
      last.count++
      last.text += `\n${line}`
    } else runs.push({ channel: event.channel, first: event.offset, count: 1, text: line })
  }
  return runs
}
