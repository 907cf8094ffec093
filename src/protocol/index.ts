export {
  type ChannelCommand,
  type Command,
  type ConnectCommand,
  type HistoryCommand,
  type PublishCommand,
  parseFrame,
  type RefreshCommand,
  type RpcCommand,
  type Since,
  type SubRefreshCommand,
  type SubscribeCommand,
} from './commands.ts'
export { type Disconnect, disconnects, fitReason, withDetail } from './disconnects.ts'
export { disconnectFor, type WireError, wireError, wireErrors } from './errors.ts'
export {
  type AckRequest,
  type AppendRequest,
  type CommandRequest,
  type CursorRequest,
  parseAck,
  parseAppend,
  parseCommand,
  parseCursor,
  parseSignal,
  type SignalRequest,
} from './extension.ts'
export { sliceAt } from './json-slice.ts'
export {
  encodeClientInfo,
  encodeEvent,
  encodePublication,
  publicationOf,
  pushJoin,
  pushLeave,
  pushPublication,
} from './publication.ts'
export {
  type ConnectResult,
  connectReply,
  emptyReply,
  encodeAppended,
  errorReply,
  historyReply,
  pingLine,
  presenceReply,
  presenceStatsReply,
  pushMessage,
  pushSubscribe,
  pushUnsubscribe,
  refreshReply,
  rpcReply,
  type SubscribeResult,
  subscribeReply,
} from './replies.ts'
export { unsubscribes } from './unsubscribes.ts'
