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
import { endedBy, type Traced } from '../../tracing/index.ts'
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
  const span = begin(session, 'publish', channel)
  const work = session.order.run(channel, async letGo => {
    await pending.within(session.parts.permissions.check('publish', channel, session.subscriptions))
    checkType(session, channel, publishedType)
    session.parts.rates.channel(channel, performance.now())
    const data = await acceptData(session, { channel, data: command.data }, span)
    stillWanted(pending)
    const info = session.infoIn(channel)
    const accepted = session.parts.router.publish({ channel, data, info, trace: span?.traceparent })
    letGo()
    await accepted
    return emptyReply(command.id, 'publish')
  })
  return endedBy(span, work)
}

/** `holdfast.append`: the reply means committed, and says where. */
export function append(session: SessionContext, command: RpcCommand, pending: Pending): Promise<string> {
  const request = parseAppend(command.data)
  const { channel, type } = request
  const span = begin(session, 'append', channel, request.traceparent)
  const work = session.order.run(channel, async letGo => {
    await pending.within(session.parts.permissions.check('append', channel, session.subscriptions))
    checkType(session, channel, type)
    session.parts.rates.channel(channel, performance.now())
    const data = await acceptData(session, { channel, type, data: request.data }, span)
    stillWanted(pending)
    const info = session.infoIn(channel)
    const trace = span?.traceparent
    const stored = session.parts.router.append({ ...request, data, info, trace })
    letGo()
    return rpcReply(command.id, encodeAppended(await stored))
  })
  return endedBy(span, work)
}

/** `holdfast.signal`: the reply means accepted by this node, as with every realtime publication. */
export function signal(session: SessionContext, command: RpcCommand, pending: Pending): Promise<string> {
  const { channel, type, data: sent, to, echo, traceparent } = parseSignal(command.data)
  const typed = type === undefined ? {} : { type }
  const span = begin(session, 'signal', channel, traceparent)
  const work = session.order.run(channel, async () => {
    await pending.within(session.parts.permissions.check('publish', channel, session.subscriptions))
    session.parts.rates.channel(channel, performance.now())
    const data = await acceptData(session, { channel, ...typed, data: sent }, span)
    stillWanted(pending)
    await session.parts.router.signal({
      channel,
      ...typed,
      data,
      info: session.infoIn(channel),
      ...(to === undefined ? {} : { to }),
      ...(echo ? {} : { exclude: session.client }),
      trace: span?.traceparent,
    })
    return rpcReply(command.id, '{}')
  })
  return endedBy(span, work)
}

/** The span of what a client says, where it is traced. A client's own trace is linked, and decides nothing. */
export function begin(
  { parts, traced }: SessionContext,
  operation: 'publish' | 'append' | 'signal' | 'command' | 'subscribe' | 'history',
  channel: string,
  link?: string,
): Traced | undefined {
  return parts.tracing?.fromClient(operation, channel, parts.router, link, traced?.has(channel) === true)
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
  span: Traced | undefined,
): Promise<string> {
  const { hooks, config } = session.parts
  const hook = hooks.onPublish(message.channel)
  if (!hook) return message.data
  const { user, client } = session
  const call = { user, client, ...message, params: {}, data: JSON.parse(message.data) as unknown }
  const ask = () => callHook('onPublish', config.limits.hookTimeoutMs, () => hook(call))
  const value = await (span ? span.within(ask) : ask())
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
