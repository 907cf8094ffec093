import { fannedOut } from '../../tracing/index.ts'
import type { Feed } from './feed.ts'
import type { Run } from './run.ts'

interface TracedOffset {
  readonly offset: number
  readonly trace: string
}

/** Gives a feed what was announced to it, and tells of what in it is traced that it has gone out. */
export function offerAnnounced(feed: Feed, run: Run): void {
  const { traces } = run
  if (traces === undefined) {
    feed.offer(run)
    return
  }
  const before = feed.position
  feed.offer(run)
  tellFanOut(feed, before, readTraces(traces))
}

/** Tells of traced events that the feed has delivered since it stood at `before`: what it had already, it has told of. */
export function tellFanOut(feed: Feed, before: number, traced: readonly TracedOffset[]): void {
  const { channel, position, size } = feed
  if (size === 0) return
  for (const { offset, trace } of traced) {
    if (offset <= before || offset > position) continue
    fannedOut(trace, { channel, tier: 'durable', subscribers: size, offset })
  }
}

function readTraces(word: string): TracedOffset[] {
  return word.split(',').map(each => {
    const [offset, trace = ''] = each.split(':')
    return { offset: Number(offset), trace }
  })
}
