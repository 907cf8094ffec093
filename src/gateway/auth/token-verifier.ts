import { errors, type JWTPayload, jwtVerify } from 'jose'
import { HoldfastError } from '../../domain/index.ts'
import type { Config, Logger } from '../../platform/index.ts'
import type { KeyCounts } from './key-counts.ts'
import { createTokenKeys } from './token-keys.ts'

export interface TokenVerifier {
  /** Whether any key is configured; without one every token is invalid. */
  readonly enabled: boolean
  /**
   * The claims of an authentic token that is valid now, for us and from our issuer.
   * @throws HoldfastError TOKEN_EXPIRED, TOKEN_INVALID, DEPENDENCY_* (keys cannot be fetched: nothing is known)
   */
  verify(token: string): Promise<JWTPayload>
}

/** Seconds by which the clocks of issuer and node may differ. */
const clockToleranceSeconds = 5
/** Checking costs in proportion to the length, and comes before we know who asks. */
const maxTokenLength = 16_384

/** @throws HoldfastError CONFIG_INVALID for keys that cannot be read */
export function createTokenVerifier(
  config: Config['auth']['token'],
  logger: Logger,
  counts?: KeyCounts,
): TokenVerifier {
  const keys = createTokenKeys(config, logger, counts)
  return {
    enabled: keys !== undefined,
    async verify(token) {
      if (!keys) throw new HoldfastError('TOKEN_INVALID', 'no key for tokens is configured')
      if (token.length > maxTokenLength) {
        throw new HoldfastError('TOKEN_INVALID', `expected a token of at most ${maxTokenLength} characters`)
      }
      try {
        const { payload } = await jwtVerify(token, keys.find, {
          algorithms: [...keys.algorithms],
          clockTolerance: clockToleranceSeconds,
          ...(config.audience === undefined ? {} : { audience: config.audience }),
          ...(config.issuer === undefined ? {} : { issuer: config.issuer }),
        })
        checkIssuedAt(payload)
        return payload
      } catch (error) {
        throw verdictOf(error)
      }
    },
  }
}

/** The library looks at `iat` only where a maximal age is asked for. */
function checkIssuedAt(payload: JWTPayload): void {
  if (payload.iat === undefined) return
  if (typeof payload.iat !== 'number' || payload.iat > Date.now() / 1000 + clockToleranceSeconds) {
    throw new HoldfastError('TOKEN_INVALID', 'the token was issued in the future')
  }
}

/** Signature, audience and issuer are judged before the expiry, so "expired" is only ever said of a token of ours. */
function verdictOf(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error
  if (error instanceof errors.JWTExpired) {
    return new HoldfastError('TOKEN_EXPIRED', 'the token has expired', { cause: error })
  }
  const reason = error instanceof errors.JOSEError ? error.message : 'the key does not fit the token'
  return new HoldfastError('TOKEN_INVALID', `the token is not valid: ${reason}`, { cause: error })
}
