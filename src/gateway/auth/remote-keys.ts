import { createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose'
import { HoldfastError } from '../../domain/index.ts'
import type { Logger } from '../../platform/index.ts'
import { KeyCounts } from './key-counts.ts'

/** How long one fetch may take; the SDKs give up a connect after 5 s. */
const fetchTimeoutMs = 3_000
/** Keys older than this are fetched again while the old ones go on serving. */
const refreshAfterMs = 600_000
/** With the issuer away, keys are trusted this long; then tokens fail with a temporary error. */
const maxAgeMs = 86_400_000
/** Tokens with made-up key ids cause one fetch in this time, not one each. */
const unknownKeyCooldownMs = 30_000
/** A failed fetch is not repeated sooner, however many clients are connecting. */
const retryAfterMs = 1_000

/**
 * The public keys that an issuer publishes under a URL, found by the token's `kid`. A key id that we do not have
 * is fetched for; within the cooldown nobody can say whether it exists, so that is a temporary error and no verdict
 * on the token (a client told "invalid token" never comes back).
 */
export function createRemoteKeys(url: URL, logger: Logger, counts = new KeyCounts()): JWTVerifyGetKey {
  const remote = createRemoteJWKSet(url, {
    timeoutDuration: fetchTimeoutMs,
    cacheMaxAge: maxAgeMs,
    cooldownDuration: Number.POSITIVE_INFINITY,
  })
  /** When the fetch that gave the present keys began. */
  let fetchedAt = Number.NEGATIVE_INFINITY
  let failedAt = Number.NEGATIVE_INFINITY
  let pending: Promise<void> | undefined

  async function fetchKeys(): Promise<void> {
    const startedAt = Date.now()
    if (startedAt - failedAt < retryAfterMs) {
      throw new HoldfastError('DEPENDENCY_REJECTED', 'the key set could not be fetched a moment ago')
    }
    try {
      await remote.reload()
      fetchedAt = startedAt
      counts.succeeded(startedAt)
    } catch (cause) {
      failedAt = Date.now()
      counts.failed()
      logger.warn({ err: cause }, 'could not fetch the key set for tokens')
      const code = cause instanceof errors.JWKSTimeout ? 'DEPENDENCY_TIMEOUT' : 'DEPENDENCY_FAILED'
      throw new HoldfastError(code, 'the key set for tokens could not be fetched', { cause })
    }
  }

  function refresh(): Promise<void> {
    pending ??= fetchKeys().finally(() => {
      pending = undefined
    })
    return pending
  }

  return async (header, token) => {
    const askedAt = Date.now()
    if (!remote.fresh) await refresh()
    else if (askedAt - fetchedAt > refreshAfterMs) refresh().catch(() => undefined)
    try {
      return await remote(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || fetchedAt >= askedAt) throw error
      if (askedAt - fetchedAt < unknownKeyCooldownMs) {
        throw new HoldfastError('DEPENDENCY_REJECTED', 'the token names a key that is not known yet')
      }
      await refresh()
      return remote(header, token)
    }
  }
}
