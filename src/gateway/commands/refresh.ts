import { HoldfastError } from '../../domain/index.ts'
import {
  disconnects,
  type RefreshCommand,
  refreshReply,
  type SubRefreshCommand,
} from '../../protocol/index.ts'
import type { Pending } from '../pending-replies.ts'
import { type SessionContext, secondsUntil } from '../session-context.ts'
import { steadyExpiry } from '../steady-clock.ts'

/** A new connection token. A bad one ends the connection: an expired one with 3005, any other with 3500. */
export async function refresh(
  session: SessionContext,
  command: RefreshCommand,
  pending: Pending,
): Promise<string | undefined> {
  if (command.token === '') {
    session.end(disconnects.badRequest)
    return undefined
  }
  try {
    const { authenticator } = session.parts
    const credentials = await pending.within(authenticator.refresh(command.token, session.user))
    session.expiresAtMs = steadyExpiry(credentials.expireAt)
    return refreshReply(command.id, 'refresh', secondsUntil(credentials.expireAt))
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'TOKEN_EXPIRED') throw error
    session.end(disconnects.connectionExpired)
    return undefined
  }
}

/** @throws HoldfastError NOT_SUBSCRIBED, REQUEST_INVALID, EXPIRED, and what the authenticator throws */
export function subRefresh(
  session: SessionContext,
  command: SubRefreshCommand,
  pending: Pending,
): Promise<string> {
  const { channel, token } = command
  return session.order.run(channel, async () => {
    const subscription = session.subscriptions.get(channel)
    if (!subscription) throw new HoldfastError('NOT_SUBSCRIBED', `not subscribed to ${channel}`)
    if (token === '') throw new HoldfastError('REQUEST_INVALID', 'token is missing')
    const { client, user, parts } = session
    const asked = parts.authenticator.channel(token, { client, user, channel })
    const grant = await pending.within(asked).catch((error: unknown) => {
      if (!(error instanceof HoldfastError) || error.code !== 'TOKEN_EXPIRED') throw error
      throw new HoldfastError('EXPIRED', error.message, { cause: error })
    })
    subscription.grant = grant
    subscription.byToken = true
    return refreshReply(command.id, 'sub_refresh', secondsUntil(grant.expireAt))
  })
}
