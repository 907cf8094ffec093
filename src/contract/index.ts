export { type ContractCheck, contractCheck } from './check.ts'
export { defineContract } from './define.ts'
export type {
  ChannelNameOf,
  ChannelOf,
  ChannelSchemas,
  Contract,
  EventDataOf,
  EventsOf,
  EventTypeOf,
  ParamsOf,
  PublishDataOf,
  SchemaIssue,
  SchemaResult,
  StandardSchemaV1,
} from './types.ts'
