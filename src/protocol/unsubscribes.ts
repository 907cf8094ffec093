/**
 * Why the server ended one subscription. From 2500 on SDKs subscribe again by themselves, below they do not.
 */
export const unsubscribes = {
  server: { code: 2000, reason: 'server unsubscribe' },
  insufficientState: { code: 2500, reason: 'insufficient state' },
  expired: { code: 2501, reason: 'subscription expired' },
  stateInvalidated: { code: 2502, reason: 'state invalidated' },
} as const satisfies Record<string, { readonly code: number; readonly reason: string }>
