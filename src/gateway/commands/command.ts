import { HoldfastError } from '../../domain/index.ts'
import { parseCommand, type RpcCommand, rpcReply } from '../../protocol/index.ts'
import { commandsOf, encodeCommanded } from '../commanded.ts'
import type { Pending } from '../pending-replies.ts'
import type { SessionContext } from '../session-context.ts'

/** `holdfast.command`: the reply means that what was decided is committed, and says what that is. */
export function command(session: SessionContext, rpc: RpcCommand, pending: Pending): Promise<string> {
  const { user, client, parts } = session
  const request = parseCommand(rpc.data)
  const { channel } = request
  return session.order.run(channel, async letGo => {
    const access = parts.permissions.checkCommand(channel, session.subscriptions)
    parts.rates.channel(channel, performance.now())
    const done = await commandsOf(parts.commands).run({
      ...request,
      info: session.infoIn(channel),
      ...(access === 'ask' && { caller: { user, client } }),
      // The next command of this session may follow; it comes behind this one.
      queued: letGo,
      wanted: () => {
        if (!pending.abandoned) return
        throw new HoldfastError('DEPENDENCY_TIMEOUT', 'the command took too long')
      },
    })
    return rpcReply(rpc.id, encodeCommanded(done))
  })
}
