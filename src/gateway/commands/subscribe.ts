import { asHoldfastError, HoldfastError } from '../../domain/index.ts'
import {
  type ChannelCommand,
  emptyReply,
  pushPublication,
  pushSubscribe,
  type SubscribeCommand,
  subscribeReply,
} from '../../protocol/index.ts'
import { endedBy, spanAttributes, type Traced } from '../../tracing/index.ts'
import type { Pending } from '../pending-replies.ts'
import type { SessionContext } from '../session-context.ts'
import type { SessionSubscription } from '../session-subscription.ts'
import type { SessionHandle } from '../types.ts'
import { resultOf } from './connect.ts'
import { begin } from './publish.ts'

/**
 * @throws HoldfastError ALREADY_SUBSCRIBED, LIMIT_EXCEEDED, POSITION_LOST (where the client asked for it), OVERLOADED,
 *   and what the permissions and the tier throw
 */
export function subscribe(
  session: SessionContext,
  command: SubscribeCommand,
  pending: Pending,
): Promise<void> {
  const { channel, recover } = command
  // Whoever only listens from now on has no story.
  const span = recover && begin(session, 'subscribe', channel)
  span?.set({ [spanAttributes.replay]: true })
  return endedBy(
    span,
    session.order.run(channel, () => subscribeInOrder(session, command, pending, span)),
  )
}

async function subscribeInOrder(
  session: SessionContext,
  command: SubscribeCommand,
  pending: Pending,
  span: Traced | undefined,
): Promise<void> {
  if (pending.abandoned) return
  if (command.unsupported === 'filter') {
    throw new HoldfastError('REQUEST_INVALID', 'filters by tags are not served')
  }
  if (command.unsupported === 'type') {
    throw new HoldfastError('NOT_AVAILABLE', 'only stream subscriptions are served')
  }
  const { channel, rejectUnrecovered } = command
  const { subscriptions, parts } = session
  const subscription = subscriptions.open(channel, { serverSide: false })
  try {
    const token = command.token === '' ? undefined : command.token
    subscription.grant = await pending.within(
      parts.permissions.check('subscribe', channel, subscriptions, token),
    )
    subscription.byToken = token !== undefined
    if (subscription.ended) throw endedMeanwhile(subscription)
    subscription.onHoldFull = () => pending.overtake()
    const wish = (await pending.within(mayRemember(session, subscription, token))) ? command : noWish
    const { recover, positioned, recoverable } = wish
    if (recover) parts.load.admitReplay()
    const joined = await subscriptions.join(subscription, {
      recover,
      positioned,
      recoverable,
      rejectUnrecovered,
    })
    if (!joined) throw endedMeanwhile(subscription)
    span?.set({
      [spanAttributes.recovered]: joined.recovered,
      [spanAttributes.batchSize]: joined.publications.length,
    })
    if (pending.abandoned) throw new HoldfastError('DEPENDENCY_TIMEOUT', `${channel} took too long`)
    const line = subscribeReply(pending.id, resultOf(joined, subscription.grant))
    pending.finish(line, () => subscriptions.tell(subscription))
  } catch (error) {
    subscriptions.close(subscription)
    throw error
  }
}

const noWish = { recover: undefined, positioned: false, recoverable: false }

/**
 * Whether a client's own wish for a place in the channel counts. On a realtime channel with a memory it reads what
 * was said before it came, so unless the namespace gives that to every subscriber it takes the right to `history`.
 * A durable channel's events belong to whoever may subscribe.
 */
async function mayRemember(
  session: SessionContext,
  subscription: SessionSubscription,
  token: string | undefined,
): Promise<boolean> {
  const { tier, history, forceRecovery } = subscription.options
  if (tier === 'durable' || forceRecovery || history.size === 0) return true
  try {
    await session.parts.permissions.check('history', subscription.channel, session.subscriptions, token)
    return true
  } catch (error) {
    if (asHoldfastError(error).code === 'NOT_PERMITTED') return false
    throw error
  }
}

/** The server has ended it before it began: the client is refused as if it had asked a moment later, or asks again. */
function endedMeanwhile({ channel, endedEarly }: SessionSubscription): HoldfastError {
  if (endedEarly) return new HoldfastError('DEPENDENCY_FAILED', `${channel}: ${endedEarly.reason}`)
  return new HoldfastError('NOT_PERMITTED', `the subscription to ${channel} was ended by the server`)
}

/** Succeeds also where there is no subscription; one under way is waited for. */
export async function unsubscribe(session: SessionContext, command: ChannelCommand): Promise<string> {
  return session.order.run(command.channel, async () => {
    const subscription = session.subscriptions.get(command.channel)
    if (subscription) session.subscriptions.close(subscription)
    return emptyReply(command.id, 'unsubscribe')
  })
}

/** A subscription that the server makes on a living connection. The client hears of it by a push. */
export async function subscribeFromServer(
  session: SessionContext,
  channel: string,
  options: Parameters<SessionHandle['subscribe']>[1],
): Promise<void> {
  await session.order.run(channel, async () => {
    const { subscriptions } = session
    const subscription = subscriptions.open(channel, { serverSide: true })
    const { info, data } = options
    subscription.grant = { ...(info === undefined ? {} : { info }), ...(data === undefined ? {} : { data }) }
    try {
      const joined = await subscriptions.join(subscription, { recover: options.recover })
      if (!joined) return
      session.tell(pushSubscribe(channel, resultOf(joined, subscription.grant)))
      for (const publication of joined.publications) session.tell(pushPublication(channel, publication))
      subscriptions.tell(subscription)
    } catch (error) {
      subscriptions.close(subscription)
      throw error
    }
  })
}
