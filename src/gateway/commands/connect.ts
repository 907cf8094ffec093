import type { Subscription } from '../../hub/index.ts'
import { type ConnectCommand, connectReply, type SubscribeResult } from '../../protocol/index.ts'
import type { Pending } from '../pending-replies.ts'
import { type SessionContext, secondsUntil } from '../session-context.ts'
import type { SessionSubscription } from '../session-subscription.ts'
import type { ChannelGrant } from '../types.ts'

/**
 * Makes the connection. Its server-side subscriptions are in the reply, with what they recover, and live right
 * behind it; if one of them can not be made, there is no connection: a client can not ask for it again.
 * @throws HoldfastError what the authenticator throws, and what subscribing throws
 */
export async function connect(
  session: SessionContext,
  command: ConnectCommand,
  pending: Pending,
): Promise<void> {
  const { authenticator, config, version } = session.parts
  const credentials = await pending.within(
    authenticator.connect({
      token: command.token,
      data: command.data === undefined ? undefined : JSON.parse(command.data),
      headers: { ...command.headers, ...session.handshake.headers },
      cookies: session.handshake.cookies,
      client: session.client,
      byConsole: session.handshake.byConsole ?? false,
    }),
  )
  if (!session.identify(credentials)) return
  const joined = await pending.within(
    Promise.all(
      [...credentials.subscriptions].map(([channel, grant]) => subscribe(session, channel, grant, command)),
    ),
  )
  if (session.closed) return
  session.becomeConnected()
  const line = connectReply(pending.id, {
    client: session.client,
    version,
    ttl: secondsUntil(credentials.expireAt),
    subs: new Map(joined.map(({ subscription, result }) => [subscription.channel, result])),
    pingSeconds: Math.ceil(config.limits.pingIntervalMs / 1000),
  })
  pending.finish(line, () => {
    for (const { subscription } of joined) session.subscriptions.tell(subscription)
  })
}

async function subscribe(
  session: SessionContext,
  channel: string,
  grant: ChannelGrant,
  command: ConnectCommand,
): Promise<{ subscription: SessionSubscription; result: SubscribeResult }> {
  const subscription = session.subscriptions.open(channel, { serverSide: true })
  subscription.grant = grant
  const joined = await session.subscriptions.join(subscription, { recover: command.recover.get(channel) })
  return { subscription, result: resultOf(joined, grant) }
}

/** A subscription as the client is told of it. `undefined`: it ended while it was being made. */
export function resultOf(joined: Subscription | undefined, grant: ChannelGrant): SubscribeResult {
  return {
    position: joined?.position,
    recoverable: joined?.recoverable ?? false,
    positioned: joined?.positioned ?? false,
    wasRecovering: joined?.wasRecovering ?? false,
    recovered: joined?.recovered ?? false,
    publications: joined?.publications ?? [],
    // Official SDKs learn nothing of a floor from an unrecovered reply; the application's own data goes before.
    data: grant.data ?? (joined?.first === undefined ? undefined : `{"holdfast":{"first":${joined.first}}}`),
    ttl: secondsUntil(grant.expireAt),
  }
}
