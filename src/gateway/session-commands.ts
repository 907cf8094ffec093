import { asHoldfastError, type HoldfastError } from '../domain/index.ts'
import {
  disconnectFor,
  disconnects,
  errorReply,
  type WireError,
  wireError,
  wireErrors,
} from '../protocol/index.ts'
import { perform } from './commands/perform.ts'
import type { LimitName } from './limit-counts.ts'
import { SessionLimits } from './limits/session-limits.ts'
import type { PendingReplies } from './pending-replies.ts'
import type { SessionContext } from './session-context.ts'
import type { Performable } from './session-state.ts'

/** Does what the client of one session asks for, within its limits, and sees to it that each command gets its answer. */
export class SessionCommands {
  readonly #session: SessionContext
  readonly #replies: PendingReplies
  readonly #limits: SessionLimits
  /** When the last frame came: the clock is asked once for all its commands. */
  #now = 0

  constructor(session: SessionContext, replies: PendingReplies) {
    this.#session = session
    this.#replies = replies
    this.#limits = new SessionLimits(session.parts.rates)
  }

  /** Counts a frame; false: there are too many, and the session has been ended. */
  takeFrame(): boolean {
    this.#now = performance.now()
    if (this.#limits.frame(this.#now)) return true
    this.#end('frames')
    return false
  }

  async perform(command: Performable): Promise<void> {
    const session = this.#session
    if (session.closed) return
    const excess = this.#limits.command(command, session.user, this.#now)
    if (excess?.final) return this.#end(told[excess.limit] ?? '')
    const pending = this.#replies.open(command.id)
    if (excess) {
      const { tooManyRequests } = wireErrors
      const message = `${tooManyRequests.message}: ${told[excess.limit]}`
      return pending.finish(this.#refusal(command.id, { ...tooManyRequests, message }))
    }
    const { commandBytes } = session.parts
    const bytes = sizeOf(command)
    if (!commandBytes.enter(bytes)) return pending.finish(this.#refusal(command.id, wireErrors.internal))
    try {
      const line = await perform(session, command, pending)
      if (line !== undefined) pending.finish(line)
    } catch (cause) {
      const error = asHoldfastError(cause)
      this.log(error, command.kind)
      this.#count(error, command)
      const disconnect = disconnectFor(error)
      if (disconnect) session.end(disconnect)
      else pending.finish(this.#refusal(command.id, wireError(error)))
    } finally {
      commandBytes.leave(bytes)
    }
  }

  /** Faults of ours or of the application are for the operator; refusals are the client's own affair. */
  log(error: HoldfastError, command: string): void {
    const { closed, parts, client } = this.#session
    const fault = error.code === 'INTERNAL' || error.code === 'DEPENDENCY_FAILED'
    const level = fault && !closed ? 'warn' : 'debug'
    parts.logger[level]({ err: error, command, client }, 'a command failed')
  }

  #refusal(id: number, error: WireError): string {
    this.#session.parts.counts.error(error.code)
    return errorReply(id, error)
  }

  #count({ code }: HoldfastError, command: Performable): void {
    const { limited } = this.#session.parts.counts
    const writes = command.kind === 'publish' || command.kind === 'rpc'
    if (code === 'OVERLOADED' && writes) limited.add('node_waiting')
    else if (code !== 'LIMIT_EXCEEDED') return
    else if (command.kind === 'presence') limited.add('presence_clients')
    else if (command.kind === 'subscribe') limited.add('connection_channels')
    else if (command.kind === 'rpc' && command.method === 'holdfast.ack') limited.add('user_cursors')
  }

  #end(tooMany: string): void {
    const { parts, client, user } = this.#session
    parts.logger.info({ client, user, tooMany }, 'a connection asks for far too much and is ended')
    this.#session.end(disconnects.tooManyRequests)
  }
}

/** What a client is told that it has too many of. */
const told: Partial<Record<LimitName, string>> = {
  connection_commands: 'commands of this connection',
  connection_subscriptions: 'subscriptions of this connection',
  connection_publications: 'publications of this connection',
  user_commands: 'commands of this user',
  user_publications: 'publications of this user',
}

/** A command that carries nothing still takes memory while it is under way. */
const bareCommandBytes = 512

function sizeOf(command: Performable): number {
  return bareCommandBytes + ('data' in command ? (command.data?.length ?? 0) : 0)
}
