export {
  type Aggregate,
  type AggregateDefinition,
  type AuthorizeCommandCall,
  type CommandDefinition,
  type Commanded,
  type DecideContext,
  type DomainEvent,
  defineAggregate,
  type EventPlace,
} from '../commands/index.ts'
export { type Contract, defineContract, type StandardSchemaV1 } from '../contract/index.ts'
export {
  type Appended,
  type ClientInfo,
  type ErrorCode,
  HoldfastError,
  type Position,
} from '../domain/index.ts'
export {
  type BatchHandler,
  done,
  type GroupOptions,
  type Handler,
  type HandlerContext,
  type HandlerEvent,
  type Operations,
  type Outcome,
  park,
  retry,
  type ScheduleOptions,
} from '../durable/index.ts'
export type { AuthenticateHook, Authorization, Handshake, Identity, RpcCall } from '../gateway/index.ts'
export type { Config, ConfigInput, Logger, RuleInput } from '../platform/index.ts'
export type { BatchSink, BatchSinkOptions, BatchSinkStatus } from '../projections/index.ts'
export {
  type ApplyContext,
  channelActivity,
  defineProjection,
  defineReducer,
  type ProjectionEvent,
  type ProjectionHandle,
  perMinuteNow,
  quakesByRegion,
  type ReducerHandle,
} from '../projections/index.ts'
export type { BreakerChange, BreakerRole, BreakerState, BreakerStatus } from '../resilience/index.ts'
export type { BreakerControl } from './breakers.ts'
export type { ContractGroup } from './group-types.ts'
export { createHoldfast } from './holdfast.ts'
export type {
  AppendOptions,
  HistoryResult,
  Holdfast,
  HoldfastOptions,
  PatternAuthorizeCall,
  PatternPublishCall,
  PublishOptions,
} from './types.ts'
