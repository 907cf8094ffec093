export {
  type ChannelPattern,
  canaryNamespaces,
  channelPattern,
  checkChannel,
  isCanaryChannel,
  isPrivate,
  isSystemChannel,
  maxChannelLength,
  namespaceOf,
  systemNamespace,
} from './channel.ts'
export { asHoldfastError, type ErrorCode, HoldfastError, type Remedy } from './errors.ts'
export { eventIdFrom, newEventId, normalizeEventId } from './event-id.ts'
export type { Action, Grantee, NamespaceOptions, Tier } from './namespace.ts'
export type { Position } from './position.ts'
export type { Appended, ClientInfo, NewEvent, Publication, StoredEvent } from './publication.ts'
export { isStorable, storable } from './storable.ts'
