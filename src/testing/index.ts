export type { AggregateScenario, Consequence, WhenOptions } from './aggregate-scenario.ts'
export { given } from './given.ts'
export type { GivenEvent, ReducerScenario, TriedReducer } from './reducer-scenario.ts'
