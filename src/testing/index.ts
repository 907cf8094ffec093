export type { AggregateScenario, Consequence, WhenOptions } from './aggregate-scenario.ts'
export { given } from './given.ts'
export type { GivenEvent, ReducerScenario, TriedReducer } from './reducer-scenario.ts'
export { startPostgres, type TestPostgres } from './servers.ts'
export {
  type StartOptions,
  startHoldfast,
  type TestHoldfast,
  type TestUser,
  type UserOptions,
} from './start-holdfast.ts'
export type { TestNode } from './test-node.ts'
