import type { Command } from '../../protocol/index.ts'
import type { Pending } from '../pending-replies.ts'
import type { SessionContext } from '../session-context.ts'
import { publish } from './publish.ts'
import { history, presence, presenceStats } from './read.ts'
import { refresh, subRefresh } from './refresh.ts'
import { rpc } from './rpc.ts'
import { subscribe, unsubscribe } from './subscribe.ts'

/**
 * Does what a command of a connected session asks. Returns the reply's line, or undefined where the command has
 * answered by itself or has ended the session.
 * @throws HoldfastError what the reply says instead
 */
export async function perform(
  session: SessionContext,
  command: Exclude<Command, { kind: 'pong' | 'send' | 'connect' }>,
  pending: Pending,
): Promise<string | undefined> {
  switch (command.kind) {
    case 'subscribe':
      await subscribe(session, command, pending)
      return undefined
    case 'unsubscribe':
      return unsubscribe(session, command)
    case 'publish':
      return publish(session, command, pending)
    case 'presence':
      return presence(session, command, pending)
    case 'presence_stats':
      return presenceStats(session, command, pending)
    case 'history':
      return history(session, command, pending)
    case 'rpc':
      return rpc(session, command, pending)
    case 'refresh':
      return refresh(session, command, pending)
    case 'sub_refresh':
      return subRefresh(session, command, pending)
    default:
      return command satisfies never
  }
}
