import { HoldfastError } from '../../domain/index.ts'
import { parseCommand, type RpcCommand, rpcReply } from '../../protocol/index.ts'
import { endedBy } from '../../tracing/index.ts'
import { commandsOf, encodeCommanded } from '../commanded.ts'
import type { Pending } from '../pending-replies.ts'
import type { SessionContext } from '../session-context.ts'
import { begin } from './publish.ts'

/**
 * `holdfast.command`: the reply means that what was decided is committed, and says what that is. It holds its channel until
 * then: it may have to be decided again, and what this session says after it must not be recorded before it.
 */
export function command(session: SessionContext, rpc: RpcCommand, pending: Pending): Promise<string> {
  const { user, client, parts } = session
  const { traceparent, ...request } = parseCommand(rpc.data)
  const { channel } = request
  const span = begin(session, 'command', channel, traceparent)
  const work = session.order.run(channel, async () => {
    const access = parts.permissions.checkCommand(channel, session.subscriptions)
    parts.rates.channel(channel, performance.now())
    const done = await commandsOf(parts.commands).run({
      ...request,
      info: session.infoIn(channel),
      trace: span?.traceparent,
      ...(access === 'ask' && { caller: { user, client } }),
      wanted: () => {
        if (!pending.abandoned) return
        throw new HoldfastError('DEPENDENCY_TIMEOUT', 'the command took too long')
      },
    })
    return rpcReply(rpc.id, encodeCommanded(done))
  })
  return endedBy(span, work)
}
