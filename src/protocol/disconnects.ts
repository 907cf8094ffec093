/** Why a connection ends, as the close frame says it. */
export interface Disconnect {
  readonly code: number
  readonly reason: string
}

/**
 * The codes of the protocol. SDKs come back after every code but 3500–3999 and 4500–4999, which are final. An
 * application's own codes are 4000–4499 (come back) and 4500–4999 (do not).
 */
export const disconnects = {
  shutdown: { code: 3001, reason: 'shutdown' },
  internalError: { code: 3004, reason: 'internal server error' },
  connectionExpired: { code: 3005, reason: 'connection expired' },
  subscriptionExpired: { code: 3006, reason: 'subscription expired' },
  slow: { code: 3008, reason: 'slow' },
  writeError: { code: 3009, reason: 'write error' },
  insufficientState: { code: 3010, reason: 'insufficient state' },
  forceReconnect: { code: 3011, reason: 'force reconnect' },
  noPong: { code: 3012, reason: 'no pong' },
  tooManyRequests: { code: 3013, reason: 'too many requests' },
  stateInvalidated: { code: 3014, reason: 'state invalidated' },
  invalidToken: { code: 3500, reason: 'invalid token' },
  badRequest: { code: 3501, reason: 'bad request' },
  stale: { code: 3502, reason: 'stale' },
  forceDisconnect: { code: 3503, reason: 'force disconnect' },
  connectionLimit: { code: 3504, reason: 'connection limit' },
  channelLimit: { code: 3505, reason: 'channel limit' },
  inappropriateProtocol: { code: 3506, reason: 'inappropriate protocol' },
  permissionDenied: { code: 3507, reason: 'permission denied' },
  notAvailable: { code: 3508, reason: 'not available' },
  tooManyErrors: { code: 3509, reason: 'too many errors' },
} as const satisfies Record<string, Disconnect>

/** A WebSocket close frame has room for 123 bytes of reason (RFC 6455 §5.5). */
const maxReasonBytes = 123

/** A disconnect with a detail behind its reason, cut to what a close frame holds. */
export function withDetail(disconnect: Disconnect, detail: string): Disconnect {
  return { code: disconnect.code, reason: fitReason(`${disconnect.reason}: ${detail}`) }
}

/** Cuts a reason to what a close frame holds, never inside a character. */
export function fitReason(reason: string): string {
  if (Buffer.byteLength(reason) <= maxReasonBytes) return reason
  let fitting = ''
  let bytes = 0
  for (const character of reason) {
    bytes += Buffer.byteLength(character)
    if (bytes > maxReasonBytes) break
    fitting += character
  }
  return fitting
}
