import assert from 'node:assert/strict'
import { channelPattern } from '../domain/index.ts'
import type { HandlerEvent } from '../durable/index.ts'
import type { Reducer } from '../projections/index.ts'
import { frozen, idOf, plain, sampleChannel } from './sample.ts'

/** An event as a reducer gets it; what is left out is made up. */
export type GivenEvent = Pick<HandlerEvent, 'type' | 'data'> & Partial<HandlerEvent>

/** What `defineReducer` makes, as far as it can be tried without a database. */
export type TriedReducer<State> = Pick<Reducer<State>, 'kind' | 'channels' | 'types' | 'definition'>

export interface ReducerScenario<State> {
  /** Exactly these states by key, and no others. Throws an `AssertionError` where it is not so. */
  then(states: Readonly<Record<string, State>>): void
}

export function reducerScenario<State>(
  { channels, types, definition }: TriedReducer<State>,
  given: readonly GivenEvent[],
): ReducerScenario<State> {
  const patterns = channels.map(channelPattern)
  const states = new Map<string, State>()
  const heads = new Map<string, number>()
  for (const [i, event] of given.entries()) {
    const channel = event.channel ?? sampleChannel(channels[0] ?? '')
    const params = patterns.map(pattern => pattern.match(channel)).find(found => found !== undefined)
    // As from the ledger: what it does not ask for never comes to it.
    if (!params || (types && !types.includes(event.type))) continue
    const offset = (heads.get(channel) ?? 0) + 1
    heads.set(channel, offset)
    const place = { partition: 0, position: i + 1, offset, epoch: 'test', time: 0, info: undefined }
    const whole = frozen(plain({ id: idOf(i), params, ...place, ...event, channel })) as HandlerEvent
    const key = definition.key ? definition.key(whole as never) : channel
    if (key === undefined) continue
    const before = states.get(key) ?? definition.initial(key)
    const next = definition.evolve(frozen(before), whole as never)
    if (next === undefined) throw new TypeError(`evolve has returned nothing for ${event.type}`)
    if (next === null) states.delete(key)
    else states.set(key, plain(next) as State)
  }
  return {
    // biome-ignore lint/suspicious/noThenProperty: given, then; nobody awaits it
    then: expected => assert.deepEqual(Object.fromEntries(states), plain(expected)),
  }
}
