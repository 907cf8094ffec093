import type { ErrorCode, HoldfastError } from '../domain/index.ts'
import { type Disconnect, disconnects, withDetail } from './disconnects.ts'

/** An error as a reply carries it. */
export interface WireError {
  readonly code: number
  readonly message: string
  /** The same request may succeed later; SDKs try again by themselves. */
  readonly temporary: boolean
}

/** The codes of the protocol (100–113), and Holdfast's own within the range left to applications (400–1999). */
export const wireErrors = {
  internal: { code: 100, message: 'internal server error', temporary: true },
  unauthorized: { code: 101, message: 'unauthorized', temporary: false },
  unknownChannel: { code: 102, message: 'unknown channel', temporary: false },
  permissionDenied: { code: 103, message: 'permission denied', temporary: false },
  methodNotFound: { code: 104, message: 'method not found', temporary: false },
  alreadySubscribed: { code: 105, message: 'already subscribed', temporary: false },
  limitExceeded: { code: 106, message: 'limit exceeded', temporary: false },
  badRequest: { code: 107, message: 'bad request', temporary: false },
  notAvailable: { code: 108, message: 'not available', temporary: false },
  tokenExpired: { code: 109, message: 'token expired', temporary: false },
  expired: { code: 110, message: 'expired', temporary: false },
  tooManyRequests: { code: 111, message: 'too many requests', temporary: true },
  unrecoverablePosition: { code: 112, message: 'unrecoverable position', temporary: false },
  concurrentPagination: { code: 113, message: 'concurrent pagination', temporary: true },
  offsetConflict: { code: 409, message: 'offset conflict', temporary: false },
  duplicateConflict: { code: 422, message: 'duplicate conflict', temporary: false },
  readOnly: { code: 423, message: 'read only', temporary: true },
  projectionParked: { code: 424, message: 'channel parked', temporary: false },
  projectionBehind: { code: 425, message: 'read model behind', temporary: true },
} as const satisfies Record<string, WireError>

const byCode: Record<ErrorCode, WireError> = {
  FRAME_INVALID: wireErrors.badRequest,
  CHANNEL_INVALID: wireErrors.badRequest,
  CHANNEL_UNKNOWN: wireErrors.unknownChannel,
  REQUEST_INVALID: wireErrors.badRequest,
  NOT_AUTHENTICATED: wireErrors.unauthorized,
  NOT_PERMITTED: wireErrors.permissionDenied,
  NOT_AVAILABLE: wireErrors.notAvailable,
  METHOD_UNKNOWN: wireErrors.methodNotFound,
  ALREADY_SUBSCRIBED: wireErrors.alreadySubscribed,
  NOT_SUBSCRIBED: wireErrors.permissionDenied,
  LIMIT_EXCEEDED: wireErrors.limitExceeded,
  RATE_LIMITED: wireErrors.tooManyRequests,
  TOKEN_EXPIRED: wireErrors.tokenExpired,
  TOKEN_INVALID: wireErrors.permissionDenied,
  EXPIRED: wireErrors.expired,
  POSITION_LOST: wireErrors.unrecoverablePosition,
  PAYLOAD_TOO_LARGE: wireErrors.badRequest,
  PAYLOAD_INVALID: wireErrors.badRequest,
  SLOW_CONSUMER: wireErrors.internal,
  OFFSET_CONFLICT: wireErrors.offsetConflict,
  DUPLICATE_CONFLICT: wireErrors.duplicateConflict,
  EPOCH_CHANGED: wireErrors.unrecoverablePosition,
  LEDGER_BEHIND: wireErrors.internal,
  READ_ONLY: wireErrors.readOnly,
  PROJECTION_BEHIND: wireErrors.projectionBehind,
  PROJECTION_PARKED: wireErrors.projectionParked,
  DEPENDENCY_REJECTED: wireErrors.internal,
  DEPENDENCY_TIMEOUT: wireErrors.internal,
  DEPENDENCY_FAILED: wireErrors.internal,
  OVERLOADED: wireErrors.internal,
  SHUTTING_DOWN: wireErrors.internal,
  CONFIG_INVALID: wireErrors.internal,
  INTERNAL: wireErrors.internal,
}

const maxDetail = 200

/**
 * What a client is told of an error. Only errors that describe the client's own request carry their text;
 * everything else says no more than the table.
 */
export function wireError(error: HoldfastError): WireError {
  const wire = byCode[error.code]
  if (error.code === 'OFFSET_CONFLICT') {
    const head = error.details['head']
    return typeof head === 'number' ? { ...wire, message: `${wire.message}: the head is ${head}` } : wire
  }
  if (error.code === 'DUPLICATE_CONFLICT') {
    return { ...wire, message: `${wire.message}: the id belongs to an event with another type or data` }
  }
  // A text that was written for the client. Others may tell of the inside, or of what the client may not know.
  const told = error.details['told']
  if (typeof told === 'string') return { ...wire, message: `${wire.message}: ${told.slice(0, maxDetail)}` }
  if (wire !== wireErrors.badRequest) return wire
  return { ...wire, message: `${wire.message}: ${error.message.slice(0, maxDetail)}` }
}

/** The disconnect that an error means instead of a reply, whatever the command; undefined for all other errors. */
export function disconnectFor(error: HoldfastError): Disconnect | undefined {
  if (error.code === 'FRAME_INVALID') return withDetail(disconnects.badRequest, error.message)
  if (error.code === 'TOKEN_INVALID') return disconnects.invalidToken
  return undefined
}
