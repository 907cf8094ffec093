import { isDeepStrictEqual } from 'node:util'
import type { StandardSchemaV1 } from '../contract/index.ts'
import { channelPattern, HoldfastError } from '../domain/index.ts'
import type { AggregateDefinition, CommandDefinition, DomainEvent } from './types.ts'

type AnyCommand = CommandDefinition<unknown, unknown, unknown>

const maxNameLength = 200

/** Each channel begins with a copy of its own. */
function canBeCopied(state: unknown): boolean {
  try {
    return isDeepStrictEqual(structuredClone(state), state)
  } catch {
    return false
  }
}

/**
 * Declares what an aggregate is: how events make its state, and how commands make events. Nothing runs by it: give it to
 * `hf.aggregate`, or to the kit in `holdfast/testing`.
 * @throws HoldfastError CONFIG_INVALID
 */
export function defineAggregate<
  const Pattern extends string,
  State,
  Type extends string,
  Event extends DomainEvent<Type>,
  Schemas,
>(
  definition: AggregateDefinition<Pattern, State, Event, Schemas>,
): AggregateDefinition<Pattern, State, Event, Schemas> {
  const { pattern, name = pattern, commands, evolve, initial, snapshots } = definition
  channelPattern(pattern)
  const refuse = (what: string) => new HoldfastError('CONFIG_INVALID', `aggregate ${name}: ${what}`)
  if (name === '' || name.length > maxNameLength)
    throw refuse(`expected a name of 1 to ${maxNameLength} characters`)
  if (typeof evolve !== 'function') throw refuse('expected evolve to be a function')
  if (initial === undefined) throw refuse('expected an initial state; null may stand for none')
  if (!canBeCopied(initial)) {
    throw refuse('expected an initial state that can be copied: no functions, and no objects of own classes')
  }
  for (const [command, { decide, schema, authorize }] of Object.entries<AnyCommand>(commands as never)) {
    if (typeof decide !== 'function') throw refuse(`${command}: expected decide to be a function`)
    if (schema !== undefined && typeof (schema as StandardSchemaV1)['~standard']?.validate !== 'function') {
      throw refuse(`${command}: expected schema to be one of Standard Schema`)
    }
    if (authorize !== undefined && typeof authorize !== 'function') {
      throw refuse(`${command}: expected authorize to be a function`)
    }
  }
  if (snapshots) {
    const { every, version } = snapshots
    if (!Number.isSafeInteger(every) || every < 1)
      throw refuse('expected snapshots.every to be a number of events')
    if (!Number.isSafeInteger(version) || version < 0 || version > 2_147_483_647) {
      throw refuse('expected snapshots.version to be a whole number')
    }
  }
  return definition
}
