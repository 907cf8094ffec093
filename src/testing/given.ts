import type { AggregateDefinition } from '../commands/index.ts'
import { type AggregateScenario, aggregateScenario } from './aggregate-scenario.ts'
import {
  type GivenEvent,
  type ReducerScenario,
  reducerScenario,
  type TriedReducer,
} from './reducer-scenario.ts'

/**
 * Begins a test without a server: `given(order, …events).when('capture', input).then(…events)` for what an aggregate
 * decides, `given(totals, …events).then({ key: state })` for what a reducer makes of events. Nothing is asynchronous, and
 * any test runner will do. What a definition is given is frozen, so that one which changes it fails.
 */
export function given<State>(
  reducer: TriedReducer<State>,
  ...events: readonly GivenEvent[]
): ReducerScenario<State>
export function given<Pattern extends string, State, Event, Schemas>(
  aggregate: AggregateDefinition<Pattern, State, Event, Schemas>,
  ...events: readonly NoInfer<Event>[]
): AggregateScenario<State, Event, Schemas>
export function given(
  subject: TriedReducer<unknown> | AggregateDefinition<string, unknown, unknown, unknown>,
  ...events: readonly unknown[]
): unknown {
  return 'kind' in subject
    ? reducerScenario(subject, events as readonly GivenEvent[])
    : aggregateScenario(subject, events)
}
