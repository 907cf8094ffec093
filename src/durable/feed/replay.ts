import { Lane } from '../../hub/index.ts'
import type { Member } from './member.ts'
import { limitAfter, type Page, type PageRead, type Pages } from './pages.ts'
import { lastOf, type Run } from './run.ts'
import { packetAfter } from './shared-pages.ts'

/** The channel that a session catches up with. */
export interface Catching {
  readonly channel: string
  readonly position: number
  readonly ended: boolean
  offer(run: Run): void
  moved(): Promise<void>
  tryLive(member: Member): boolean
  expel(member: Member): void
}

/**
 * Pushes a session everything after its place, paced by its socket, until it can join the live set. The next page
 * is read while the last one drains; nothing is held for the session meanwhile.
 */
export async function replay(feed: Catching, member: Member, pages: Pages): Promise<void> {
  const { outlet } = member
  let page: Page | undefined
  let ahead: Promise<PageRead> | undefined
  try {
    for (;;) {
      // Before the session goes live its replay has to be out: a live event would overtake what still waits.
      await outlet.replayRoom()
      if (!alive(member, feed) || feed.tryLive(member)) return
      if (member.at > feed.position) {
        await feed.moved()
        continue
      }
      const read: PageRead = await (ahead ?? pages.read(feed.channel, member.at, limitAfter(page)))
      if (!alive(member, feed)) return
      if (read.kind !== 'page') break
      page = read.page
      outlet.push(Lane.replay, packetAfter(page, member.at))
      member.at = lastOf(page.run)
      if (member.at > feed.position) feed.offer(page.run)
      ahead = member.at < feed.position ? pages.read(feed.channel, member.at, limitAfter(page)) : undefined
      ahead?.catch(() => undefined)
    }
  } catch {
    // Neither Redis nor the ledger can answer now: the client keeps its place and comes back.
  }
  feed.expel(member)
}

/** Leaving, or another subscription of the same session, ends the replay too. */
function alive(member: Member, feed: Catching): boolean {
  return member.state === 'catching_up' && !member.outlet.closed && !feed.ended
}
