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

/** A handler that threw, or could not have been done. */
export interface Fault {
  readonly kind: 'fault'
  readonly error: Error
  /** Why a statement of the transaction has failed, whether or not the handler minded, and whatever it threw then. */
  readonly statement: unknown
  /** The handler may still send something, which the connection that it had cannot refuse. */
  readonly unfinished: boolean
}

/** Where the call ends that begins with this item: one, or all that follow and have the same batch handler. */
export function callEnd(items: readonly TurnItem[], from: number): number {
  const handling = items[from]?.route.handling
  let end = from + 1
  if (handling?.kind === 'batch') while (items[end]?.route.handling === handling) end++
  return end
}

/** Calls the handler of the items of one call (`callEnd`), and resolves to how it has ended. */
export async function callHandler(
  items: readonly TurnItem[],
  { tx, turn, epoch, signal, heartbeat, afterCommit }: CallContext,
): Promise<Outcome | Fault> {
  const gate = new GatedTransaction(tx)
  const context: HandlerContext = {
    tx: gate.tx,
    turn,
    attempt: items.reduce((most, { attempt }) => Math.max(most, attempt), 1),
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
    const outcome = outcomeOf(await call(items, epoch, context))
    if (gate.error !== undefined) return fault(gate.error, gate)
    if (gate.inSavepoint) return fault(new Error('the handler has returned before its savepoint'), gate)
    return outcome instanceof Error ? fault(outcome, gate) : outcome
  } catch (error) {
    return fault(gate.lost ? gate.error : error, gate)
  } finally {
    gate.close()
  }
}

function call(items: readonly TurnItem[], epoch: string, context: HandlerContext): unknown {
  const events = items.map(({ event, route }) => handlerEvent(event, route, epoch))
  const handling = items[0]?.route.handling
  const [event] = events
  if (!handling || !event) return undefined
  return handling.kind === 'batch' ? handling.handler(events, context) : handling.handler(event, context)
}

function handlerEvent(event: StoredEvent, { params }: Route, epoch: string): HandlerEvent {
  const { id, type, channel, offset, partition, position, time, data, meta, trace } = event
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
    ...(trace !== undefined && { traceparent: trace }),
  }
}

function fault(error: unknown, gate: GatedTransaction): Fault {
  return {
    kind: 'fault',
    error: error instanceof Error ? error : new Error(String(error)),
    statement: gate.error,
    unfinished: gate.inSavepoint,
  }
}
