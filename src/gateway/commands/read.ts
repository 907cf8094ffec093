import { HoldfastError } from '../../domain/index.ts'
import {
  type ChannelCommand,
  type HistoryCommand,
  historyReply,
  presenceReply,
  presenceStatsReply,
} from '../../protocol/index.ts'
import { endedBy, spanAttributes } from '../../tracing/index.ts'
import type { Pending } from '../pending-replies.ts'
import type { SessionContext } from '../session-context.ts'
import { begin } from './publish.ts'

export function presence(
  session: SessionContext,
  command: ChannelCommand,
  pending: Pending,
): Promise<string> {
  return read(session, 'presence', command.channel, pending, async () =>
    presenceReply(command.id, await session.parts.router.presence(command.channel)),
  )
}

export function presenceStats(
  session: SessionContext,
  command: ChannelCommand,
  pending: Pending,
): Promise<string> {
  return read(session, 'presence', command.channel, pending, async () =>
    presenceStatsReply(command.id, await session.parts.router.presenceStats(command.channel)),
  )
}

/** @throws HoldfastError POSITION_LOST where `since` is of another epoch, REQUEST_INVALID, OVERLOADED */
export function history(session: SessionContext, command: HistoryCommand, pending: Pending): Promise<string> {
  const { channel, since, reverse } = command
  const span = begin(session, 'history', channel)
  span?.set({ [spanAttributes.replay]: true })
  const work = read(session, 'history', channel, pending, async () => {
    if (reverse && since?.offset === 0) {
      throw new HoldfastError('REQUEST_INVALID', 'there is nothing before offset 0')
    }
    const most = session.parts.config.limits.maxHistoryLimit
    const limit = command.limit < 0 ? most : Math.min(command.limit, most)
    if (limit > 0) session.parts.load.admitReplay()
    const request = { channel, limit, reverse, ...(since === undefined ? {} : { since }) }
    const page = await session.parts.router.history(request)
    span?.set({ [spanAttributes.batchSize]: page.publications.length })
    return historyReply(command.id, page)
  })
  return endedBy(span, work)
}

/**
 * Reads start in the order of the channel's commands and do not hold up what comes after them. What has been answered
 * with a temporary error, because its turn came too late, is not read any more.
 */
function read(
  session: SessionContext,
  action: 'presence' | 'history',
  channel: string,
  pending: Pending,
  act: () => Promise<string>,
): Promise<string> {
  return session.order.run(channel, async letGo => {
    await pending.within(session.parts.permissions.check(action, channel, session.subscriptions))
    const turn = session.reads.run(() => {
      if (pending.abandoned) throw new HoldfastError('DEPENDENCY_TIMEOUT', 'the command took too long')
      const answer = act()
      letGo()
      return answer
    })
    return pending.within(turn)
  })
}
