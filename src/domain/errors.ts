/**
 * What went wrong, in words a program can act on. `remedy` says what the receiver can do about it.
 * The gateway translates a code into the numbers of the wire (`protocol/errors.ts`); nobody recognises an
 * error by its message.
 */
export type ErrorCode =
  | 'FRAME_INVALID'
  | 'CHANNEL_INVALID'
  | 'CHANNEL_UNKNOWN'
  | 'REQUEST_INVALID'
  | 'NOT_AUTHENTICATED'
  | 'NOT_PERMITTED'
  | 'NOT_AVAILABLE'
  | 'METHOD_UNKNOWN'
  | 'ALREADY_SUBSCRIBED'
  | 'NOT_SUBSCRIBED'
  | 'LIMIT_EXCEEDED'
  | 'RATE_LIMITED'
  | 'TOKEN_EXPIRED'
  | 'TOKEN_INVALID'
  | 'EXPIRED'
  | 'POSITION_LOST'
  | 'PAYLOAD_TOO_LARGE'
  | 'PAYLOAD_INVALID'
  | 'SLOW_CONSUMER'
  | 'OFFSET_CONFLICT'
  | 'DUPLICATE_CONFLICT'
  | 'EPOCH_CHANGED'
  | 'LEDGER_BEHIND'
  | 'READ_ONLY'
  | 'PROJECTION_BEHIND'
  | 'PROJECTION_PARKED'
  | 'DEPENDENCY_REJECTED'
  | 'DEPENDENCY_TIMEOUT'
  | 'DEPENDENCY_FAILED'
  | 'OVERLOADED'
  | 'SHUTTING_DOWN'
  | 'CONFIG_INVALID'
  | 'INTERNAL'

export type Remedy = 'fix_request' | 'sign_in' | 'retry_later' | 'resync' | 'none'

const remedies: Record<ErrorCode, Remedy> = {
  FRAME_INVALID: 'fix_request',
  CHANNEL_INVALID: 'fix_request',
  CHANNEL_UNKNOWN: 'fix_request',
  REQUEST_INVALID: 'fix_request',
  NOT_AUTHENTICATED: 'sign_in',
  NOT_PERMITTED: 'none',
  NOT_AVAILABLE: 'none',
  METHOD_UNKNOWN: 'fix_request',
  ALREADY_SUBSCRIBED: 'fix_request',
  NOT_SUBSCRIBED: 'fix_request',
  LIMIT_EXCEEDED: 'fix_request',
  RATE_LIMITED: 'retry_later',
  TOKEN_EXPIRED: 'sign_in',
  TOKEN_INVALID: 'sign_in',
  EXPIRED: 'sign_in',
  POSITION_LOST: 'resync',
  PAYLOAD_TOO_LARGE: 'fix_request',
  PAYLOAD_INVALID: 'fix_request',
  SLOW_CONSUMER: 'resync',
  OFFSET_CONFLICT: 'fix_request',
  DUPLICATE_CONFLICT: 'fix_request',
  EPOCH_CHANGED: 'resync',
  LEDGER_BEHIND: 'retry_later',
  READ_ONLY: 'retry_later',
  PROJECTION_BEHIND: 'retry_later',
  PROJECTION_PARKED: 'none',
  DEPENDENCY_REJECTED: 'retry_later',
  DEPENDENCY_TIMEOUT: 'retry_later',
  DEPENDENCY_FAILED: 'retry_later',
  OVERLOADED: 'retry_later',
  SHUTTING_DOWN: 'retry_later',
  CONFIG_INVALID: 'fix_request',
  INTERNAL: 'none',
}

/** The one error class of Holdfast. `details` holds what a caller needs as data, never a secret. */
export class HoldfastError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'HoldfastError'
    this.code = code
    this.details = options.details ?? {}
  }

  /** What the receiver can do about it. */
  get remedy(): Remedy {
    return remedies[this.code]
  }
}

/** The `HoldfastError` that an unknown thrown value stands for; anything foreign becomes `INTERNAL`. */
export function asHoldfastError(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new HoldfastError('INTERNAL', message, { cause: error })
}
