import { HoldfastError } from '../../domain/index.ts'
import { type RpcCommand, rpcReply } from '../../protocol/index.ts'
import { callHook } from '../hook-call.ts'
import type { Pending } from '../pending-replies.ts'
import type { SessionContext } from '../session-context.ts'
import { command as runCommand } from './command.ts'
import { ack, cursor } from './cursors.ts'
import { append, jsonOf, signal } from './publish.ts'

/** Methods under `holdfast.` are the server's own, all others the application's. */
export async function rpc(session: SessionContext, command: RpcCommand, pending: Pending): Promise<string> {
  switch (command.method) {
    case 'holdfast.append':
      return append(session, command, pending)
    case 'holdfast.command':
      return runCommand(session, command, pending)
    case 'holdfast.signal':
      return signal(session, command, pending)
    case 'holdfast.ack':
      return ack(session, command, pending)
    case 'holdfast.cursor':
      return cursor(session, command, pending)
    case 'holdfast.state':
      return rpcReply(command.id, state(session, command))
    default:
      return callApplication(session, command)
  }
}

/** `{watch: true}`: each change is told too, by a message, until the connection ends. */
function state(session: SessionContext, command: RpcCommand): string {
  const wish: unknown = command.data === undefined ? undefined : JSON.parse(command.data)
  const watch = (wish as { watch?: unknown } | null | undefined)?.watch === true
  const { tiers } = session.parts
  return watch && !session.closed ? tiers.watch(session) : tiers.state
}

async function callApplication(session: SessionContext, command: RpcCommand): Promise<string> {
  const { hooks, config } = session.parts
  const hook = command.method.startsWith('holdfast.') ? undefined : hooks.rpc(command.method)
  if (!hook) throw new HoldfastError('METHOD_UNKNOWN', `there is no method ${JSON.stringify(command.method)}`)
  const { user, client } = session
  const data: unknown = command.data === undefined ? undefined : JSON.parse(command.data)
  const call = { user, client, method: command.method, data }
  const value = await callHook('rpc', config.limits.hookTimeoutMs, () => hook(call))
  return rpcReply(command.id, value === undefined ? undefined : jsonOf(value, 'rpc'))
}
