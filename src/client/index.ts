export type { Appended, Commanded } from './appender.ts'
export type {
  AppendOptions,
  Channel,
  CommandOptions,
  HistoryRequest,
  ListenOptions,
  SignalOptions,
} from './channel.ts'
export {
  type Client,
  type ClientEvents,
  type ClientOptions,
  type ConnectionState,
  createClient,
} from './client.ts'
export type { ChannelOf, Contract, EventDataOf, EventTypeOf } from './contract.ts'
export type { Cursor, CursorPosition } from './cursor.ts'
export { codes, HoldfastClientError } from './errors.ts'
export { newEventId } from './event-id.ts'
export type { Place, Reset, ResetReason } from './follower.ts'
export type { PositionStore } from './kept-places.ts'
export { type LiveTable, type LiveTableOptions, type LiveTableView, liveTable } from './live-table.ts'
export type {
  Presence,
  PresenceChange,
  PresenceOptions,
  PresenceWatch,
  PresentUser,
} from './presence.ts'
export type { HistoryPage } from './received.ts'
export type { ReplayOptions } from './replay.ts'
export type { SocketConstructor } from './rotation.ts'
export type { ClientState, ClientStatus, ServerState } from './status.ts'
export type { ReadTable, TablePage, TableRow } from './table-page.ts'
export type {
  Acknowledgeable,
  ClientInfo,
  ErrorContext,
  Gap,
  Received,
  ReceivedOf,
  SubscribeOptions,
  Subscription,
  SubscriptionProgress,
} from './types.ts'
