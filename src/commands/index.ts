export { type CommandRequest, type Commands, type CommandsOptions, createCommands } from './commands.ts'
export { type CommandCounts, type CommandOutcome, commandOutcomes } from './counts.ts'
export { eventsOf } from './decide.ts'
export { defineAggregate } from './define.ts'
export type {
  Aggregate,
  AggregateDefinition,
  AuthorizeCommandCall,
  CommandDefinition,
  Commanded,
  CommandOptions,
  DecideContext,
  DomainEvent,
  EventPlace,
} from './types.ts'
