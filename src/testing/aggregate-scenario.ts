import assert from 'node:assert/strict'
import {
  type AggregateDefinition,
  type CommandDefinition,
  type DomainEvent,
  type EventPlace,
  eventsOf,
} from '../commands/index.ts'
import type { SchemaResult, StandardSchemaV1 } from '../contract/index.ts'
import { channelPattern, type ErrorCode, HoldfastError } from '../domain/index.ts'
import { frozen, idOf, plain, sampleChannel } from './sample.ts'

/** What a command may rest on besides state and input. */
export interface WhenOptions {
  /** Default: the pattern, with the names of its parameters in their places. */
  readonly channel?: string
  /** Milliseconds since 1970 (default 0). */
  readonly time?: number
  readonly id?: string
}

/** What follows from a command. Each of these throws an `AssertionError` where it is not so. */
export interface Consequence<State, Event> {
  /** Exactly these events, in this order; without any: nothing. */
  then(...events: readonly Event[]): void
  /** It is refused, with this code and, where it is given, this message. */
  thenRefused(code: ErrorCode, message?: string | RegExp): void
  /** The state after it. */
  thenState(state: State): void
}

export interface AggregateScenario<State, Event, Schemas> {
  when<Name extends keyof Schemas & string>(
    command: Name,
    input?: InputOf<Schemas[Name]>,
    options?: WhenOptions,
  ): Consequence<State, Event>
  /** The state that the given events make. */
  thenState(state: State): void
}

type InputOf<Schema> = Schema extends StandardSchemaV1<infer Input, unknown> ? Input : unknown

type AnyDefinition = AggregateDefinition<string, unknown, DomainEvent, Record<string, unknown>>

export function aggregateScenario<State, Event, Schemas>(
  given: AggregateDefinition<string, State, Event, Schemas>,
  events: readonly Event[],
): AggregateScenario<State, Event, Schemas> {
  const definition = given as unknown as AnyDefinition
  const before = evolve(
    definition,
    frozen(structuredClone(definition.initial)),
    events as readonly DomainEvent[],
    0,
  )
  const thenState = (state: State) => assert.deepEqual(before, state)
  return {
    thenState,
    when: (command, input, options = {}) => {
      const outcome = decided(definition, command, input, before, options)
      const made = () => {
        if (!(outcome instanceof HoldfastError)) return outcome
        return assert.fail(`${command} was refused: ${outcome.code} ${outcome.message}`)
      }
      return {
        // biome-ignore lint/suspicious/noThenProperty: given, when, then; nobody awaits it
        then: (...expected) => assert.deepEqual(made(), plain(expected)),
        thenRefused(code, message) {
          if (!(outcome instanceof HoldfastError)) {
            return assert.fail(`${command} was not refused; it has made ${JSON.stringify(outcome)}`)
          }
          assert.equal(outcome.code, code)
          if (message instanceof RegExp) assert.match(outcome.message, message)
          else if (message !== undefined) assert.equal(outcome.message, message)
        },
        thenState: state => assert.deepEqual(evolve(definition, before, made(), events.length), state),
      }
    },
  }
}

function evolve(
  definition: AnyDefinition,
  from: unknown,
  events: readonly DomainEvent[],
  offset: number,
): unknown {
  const channel = sampleChannel(definition.pattern)
  let state = from
  for (const [i, event] of events.entries()) {
    const at = offset + i + 1
    const place: EventPlace = { channel, id: idOf(at), offset: at, time: 0 }
    const next = definition.evolve(state, frozen(plain(event)), place)
    // Frozen, so that a definition which changes what it was given fails here and not some day.
    if (next !== undefined) state = frozen(next)
  }
  return state
}

function decided(
  { commands, pattern }: AnyDefinition,
  name: string,
  input: unknown,
  state: unknown,
  { channel = sampleChannel(pattern), time = 0, id = idOf(0) }: WhenOptions,
): readonly DomainEvent[] | HoldfastError {
  const command = commands[name] as CommandDefinition<unknown, DomainEvent, StandardSchemaV1> | undefined
  const params = channelPattern(pattern).match(channel)
  assert.ok(command, `there is no command ${name}`)
  assert.ok(params, `${channel} is no channel of ${pattern}`)
  const checked = validated(command.schema, input)
  if (checked.issues) {
    return new HoldfastError('PAYLOAD_INVALID', checked.issues.map(({ message }) => message).join('; '))
  }
  try {
    const answer = command.decide(state, frozen(checked.value), { channel, params, time, id })
    // As the server takes them, within its bounds; what it refuses fails here too.
    return eventsOf(answer).map(({ type, value }) => ({ type, data: value }))
  } catch (error) {
    if (error instanceof HoldfastError) return error
    throw error
  }
}

function validated(schema: StandardSchemaV1 | undefined, input: unknown): SchemaResult<unknown> {
  if (!schema) return { value: input }
  const result = schema['~standard'].validate(input)
  if (!(result instanceof Promise)) return result
  result.catch(() => undefined)
  throw new TypeError('an asynchronous schema needs a server: test it by itself')
}
