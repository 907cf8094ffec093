import { HoldfastError } from '../../domain/index.ts'
import {
  emptyReply,
  encodeAppended,
  type PublishCommand,
  parseAppend,
  parseSignal,
  type RpcCommand,
  rpcReply,
} from '../../protocol/index.ts'
import { callHook } from '../hook-call.ts'
import type { Pending } from '../pending-replies.ts'
import { publishedType } from '../router.ts'
import type { SessionContext } from '../session-context.ts'

/**
 * The three ways of a client to say something in a channel. Each is handed to its tier in the order of the
 * commands and then lets go of the channel: the next one does not wait for a commit.
 */

/** On a durable channel the reply means: committed. */
export function publish(session: SessionContext, command: PublishCommand, pending: Pending): Promise<string> {
  const { channel } = command
  return session.order.run(channel, async letGo => {
    await pending.within(session.parts.permissions.check('publish', channel, session.subscriptions))
    checkType(session, channel, publishedType)
    session.parts.rates.channel(channel, performance.now())
    const data = await acceptData(session, { channel, data: command.data })
    stillWanted(pending)
    const accepted = session.parts.router.publish({ channel, data, info: session.infoIn(channel) })
    letGo()
    await accepted
    return emptyReply(command.id, 'publish')
  })
}

/** `holdfast.append`: the reply means committed, and says where. */
export function append(session: SessionContext, command: RpcCommand, pending: Pending): Promise<string> {
  const request = parseAppend(command.data)
  const { channel, type } = request
  return session.order.run(channel, async letGo => {
    await pending.within(session.parts.permissions.check('append', channel, session.subscriptions))
    checkType(session, channel, type)
    session.parts.rates.channel(channel, performance.now())
    const data = await acceptData(session, { channel, type, data: request.data })
    stillWanted(pending)
    const stored = session.parts.router.append({ ...request, data, info: session.infoIn(channel) })
    letGo()
    return rpcReply(command.id, encodeAppended(await stored))
  })
}

/** `holdfast.signal`: the reply means accepted by this node, as with every realtime publication. */
export function signal(session: SessionContext, command: RpcCommand, pending: Pending): Promise<string> {
  const { channel, type, data: sent, to, echo } = parseSignal(command.data)
  const typed = type === undefined ? {} : { type }
  return session.order.run(channel, async () => {
    await pending.within(session.parts.permissions.check('publish', channel, session.subscriptions))
    session.parts.rates.channel(channel, performance.now())
    const data = await acceptData(session, { channel, ...typed, data: sent })
    stillWanted(pending)
    await session.parts.router.signal({
      channel,
      ...typed,
      data,
      info: session.infoIn(channel),
      ...(to === undefined ? {} : { to }),
      ...(echo ? {} : { exclude: session.client }),
    })
    return rpcReply(command.id, '{}')
  })
}

/** Types that clients do not append themselves follow from commands, or come from the server. */
function checkType({ parts }: SessionContext, channel: string, type: string): void {
  const { tier, appendTypes } = parts.router.options(channel)
  if (tier !== 'durable' || !appendTypes || appendTypes.includes(type) || parts.config.auth.insecure) return
  throw new HoldfastError('NOT_PERMITTED', `clients may not append ${type} to ${channel}`)
}

/** The data as the application's hook lets it pass: untouched text, or what the hook put in its place. */
async function acceptData(
  session: SessionContext,
  message: { channel: string; type?: string; data: string },
): Promise<string> {
  const { hooks, config } = session.parts
  const hook = hooks.onPublish(message.channel)
  if (!hook) return message.data
  const { user, client } = session
  const call = { user, client, ...message, params: {}, data: JSON.parse(message.data) as unknown }
  const value = await callHook('onPublish', config.limits.hookTimeoutMs, () => hook(call))
  return value === undefined ? message.data : jsonOf(value, 'onPublish')
}

/** @throws HoldfastError DEPENDENCY_FAILED where a hook's value has no JSON */
export function jsonOf(value: unknown, hook: string): string {
  try {
    const json = JSON.stringify(value) as string | undefined
    if (json !== undefined) return json
  } catch (cause) {
    throw new HoldfastError('DEPENDENCY_FAILED', `the ${hook} hook returned what is no JSON`, { cause })
  }
  throw new HoldfastError('DEPENDENCY_FAILED', `the ${hook} hook returned what is no JSON`)
}

/** What was answered with a temporary error must not happen afterwards: the client may have sent it again. */
function stillWanted(pending: Pending): void {
  if (pending.abandoned) throw new HoldfastError('DEPENDENCY_TIMEOUT', 'the command took too long')
}
