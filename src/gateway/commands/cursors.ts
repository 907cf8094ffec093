import { HoldfastError } from '../../domain/index.ts'
import type { Cursors } from '../../durable/index.ts'
import { type CursorRequest, parseAck, parseCursor, type RpcCommand, rpcReply } from '../../protocol/index.ts'
import type { Pending } from '../pending-replies.ts'
import type { SessionContext } from '../session-context.ts'

/** `holdfast.ack`: the reply means committed, and says where the cursor then stands. */
export function ack(session: SessionContext, command: RpcCommand, pending: Pending): Promise<string> {
  const request = parseAck(command.data)
  const { channel, cursor: name, offset, epoch } = request
  return session.order.run(channel, async letGo => {
    const cursors = await cursorsOf(session, request, pending)
    const acknowledged = cursors.ack({
      ...{ channel, user: session.user, name, offset },
      ...(epoch === undefined ? {} : { epoch }),
    })
    letGo()
    const place = await pending.within(acknowledged)
    return rpcReply(command.id, JSON.stringify({ offset: place.offset, epoch: place.epoch }))
  })
}

/**
 * `holdfast.cursor`: where it stands, where its channel does, and how many events are between. Without `moved` it was
 * never acknowledged.
 */
export function cursor(session: SessionContext, command: RpcCommand, pending: Pending): Promise<string> {
  const request = parseCursor(command.data)
  const { channel, cursor: name } = request
  return session.order.run(channel, async letGo => {
    const cursors = await cursorsOf(session, request, pending)
    const read = cursors.read({ channel, user: session.user, name })
    letGo()
    const { offset, epoch, head, lag, moved } = await pending.within(read)
    return rpcReply(command.id, JSON.stringify({ offset, epoch, head, lag, moved }))
  })
}

/**
 * A cursor is its user's own, on any channel that the user could read: who is subscribed now, by whatever grant, or
 * may subscribe.
 * @throws HoldfastError CHANNEL_*, NOT_AVAILABLE, NOT_PERMITTED, TOKEN_*, DEPENDENCY_TIMEOUT
 */
async function cursorsOf(
  session: SessionContext,
  { channel, token }: CursorRequest,
  pending: Pending,
): Promise<Cursors> {
  const { parts, subscriptions } = session
  if (parts.router.options(channel).tier !== 'durable') {
    throw new HoldfastError('NOT_AVAILABLE', `cursors are kept on durable channels, ${channel} is not`)
  }
  if (!parts.cursors) {
    throw new HoldfastError('NOT_AVAILABLE', 'cursors need Postgres, and none is configured')
  }
  if (session.user === '') {
    const told = 'cursors belong to a user, and this connection is anonymous'
    throw new HoldfastError('NOT_PERMITTED', told, { details: { told } })
  }
  const grant = subscriptions.subscribed(channel)
    ? subscriptions.get(channel)?.grant
    : await pending.within(parts.permissions.check('subscribe', channel, subscriptions, token))
  // Retention may wait for cursors: who looks in unseen has none.
  if (grant?.unseen) throw new HoldfastError('NOT_PERMITTED', 'those who look in unseen have no cursors')
  if (pending.abandoned) throw new HoldfastError('DEPENDENCY_TIMEOUT', 'the command took too long')
  return parts.cursors
}
