export type { Appended, Commanded } from './appender.ts'
export type { AppendOptions, Channel, CommandOptions, HistoryRequest, SignalOptions } from './channel.ts'
export { type Client, type ClientOptions, type ConnectionState, createClient } from './client.ts'
export type { ChannelOf, Contract, EventDataOf, EventTypeOf } from './contract.ts'
export type { Cursor, CursorPosition } from './cursor.ts'
export { codes, HoldfastClientError } from './errors.ts'
export { newEventId } from './event-id.ts'
export type { Place, Reset, ResetReason } from './follower.ts'
export type { HistoryPage } from './received.ts'
export type { ReplayOptions } from './replay.ts'
export type { SocketConstructor } from './rotation.ts'
export type {
  ClientInfo,
  ErrorContext,
  Received,
  ReceivedOf,
  SubscribeOptions,
  Subscription,
} from './types.ts'
