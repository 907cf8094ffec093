import type { StoredEvent } from '../../domain/index.ts'
import { GatedTransaction, type Transaction } from '../../platform/index.ts'
import { outcomeOf } from './failure.ts'
import type { Outcome } from './outcome.ts'
import type { Route } from './routes.ts'
import type { HandlerContext, HandlerEvent } from './types.ts'

/** An event to be handled. */
export interface TurnItem {
  readonly event: StoredEvent
  readonly route: Route
  /** 1 for the first time. */
  readonly attempt: number
}

export interface CallContext {
  readonly tx: Transaction
  readonly turn: object
  readonly epoch: string
  readonly signal: AbortSignal
  /** The handler is alive. */
  readonly heartbeat: () => void
  readonly afterCommit: (act: () => void) => void
}

/** The handler may still send something, which the connection it has cannot refuse. */
export class Unfinished extends Error {}

/**
 * Calls a handler. Resolves to how it has ended; a thrown error, or a statement that failed in the transaction although
 * nobody minded, is an error.
 */
export async function callHandler(
  { event, route, attempt }: TurnItem,
  { tx, turn, epoch, signal, heartbeat, afterCommit }: CallContext,
): Promise<Outcome | Error> {
  const gate = new GatedTransaction(tx)
  const context: HandlerContext = {
    tx: gate.tx,
    turn,
    attempt,
    signal,
    async heartbeat() {
      signal.throwIfAborted()
      heartbeat()
      // For the database the session would else be idle in a transaction.
      await gate.tx`select 1`
    },
    afterCommit,
  }
  try {
    const outcome = outcomeOf(await route.handler(handlerEvent(event, route, epoch), context))
    if (gate.error !== undefined) return asError(gate.error)
    if (gate.inSavepoint) return new Unfinished('the handler has returned before its savepoint')
    return outcome
  } catch (error) {
    return gate.lost ? asError(gate.error) : asError(error)
  } finally {
    gate.close()
  }
}

function handlerEvent(event: StoredEvent, { params }: Route, epoch: string): HandlerEvent {
  const { id, type, channel, offset, partition, position, time, data, meta } = event
  return {
    id,
    type,
    channel,
    params,
    offset,
    partition,
    position,
    epoch,
    time,
    data: JSON.parse(data),
    info: meta === null ? undefined : JSON.parse(meta),
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
