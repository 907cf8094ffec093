import { HoldfastError } from '../domain/index.ts'
import type { AnyCommand, DeclaredAggregate } from './aggregates.ts'
import type { DecideContext, DomainEvent } from './types.ts'

/** An event as it will be recorded. */
export interface Decided {
  readonly type: string
  readonly value: unknown
  /** JSON text. */
  readonly data: string
}

export type Decision =
  | { readonly kind: 'events'; readonly events: readonly Decided[] }
  /** The application's answer, or INTERNAL where its code has failed. */
  | { readonly kind: 'refused'; readonly error: HoldfastError }

/** Events of one command: they are recorded in one statement. */
export const maxEvents = 100
/** Characters of their data, as JSON text. */
const maxCharacters = 4_194_304

/** What the application makes of a command in a state. */
export function decide(
  { name }: DeclaredAggregate,
  [commandName, command]: readonly [string, AnyCommand],
  state: unknown,
  input: unknown,
  context: DecideContext,
): Decision {
  const what = `${commandName} of the aggregate ${name}`
  try {
    return { kind: 'events', events: eventsOf(command.decide(state, input, context)) }
  } catch (cause) {
    if (cause instanceof HoldfastError) return { kind: 'refused', error: cause }
    const reason = cause instanceof Error ? cause.message : String(cause)
    const error = new HoldfastError('INTERNAL', `decide of ${what} has failed: ${reason}`, { cause })
    return { kind: 'refused', error }
  }
}

/**
 * The events that an application has answered with.
 * @throws Error what is wrong with them
 */
export function eventsOf(answer: unknown): readonly Decided[] {
  const events = Array.isArray(answer) ? answer : [answer]
  if (events.length > maxEvents) {
    throw new Error(`expected at most ${maxEvents} events of one command, got ${events.length}`)
  }
  const made = events.map(decided)
  const characters = made.reduce((sum, { data }) => sum + data.length, 0)
  if (characters > maxCharacters) {
    throw new Error(
      `expected at most ${maxCharacters} characters of data in one command's events, got ${characters}`,
    )
  }
  return made
}

function decided(event: unknown): Decided {
  const { type, data } = (event ?? {}) as Partial<DomainEvent>
  if (typeof type !== 'string' || type === '') {
    throw new TypeError(
      event instanceof Promise
        ? 'expected events, got a promise: it must not wait for anything'
        : 'expected events { type, data }, or an empty list',
    )
  }
  const json = JSON.stringify(data) as string | undefined
  if (json === undefined) throw new TypeError(`${type}: expected data that JSON can hold, got ${typeof data}`)
  return { type, value: JSON.parse(json), data: json }
}
