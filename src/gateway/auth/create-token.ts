import { SignJWT } from 'jose'
import { checkChannel, HoldfastError } from '../../domain/index.ts'
import type { Config } from '../../platform/index.ts'
import type { hmacAlgorithms } from './token-keys.ts'

export interface TokenRequest {
  /** The empty string: anonymous. */
  readonly user: string
  /** Makes a channel token; without it, a connection token. */
  readonly channel?: string | undefined
  /** Channel token: only this connection may use it. */
  readonly client?: string | undefined
  /** Seconds from now; without it the token never expires. */
  readonly ttlSeconds?: number | undefined
  /** Any JSON value. */
  readonly info?: unknown
  /** Connection token: server-side subscriptions. */
  readonly channels?: readonly string[] | undefined
  readonly algorithm?: (typeof hmacAlgorithms)[number] | undefined
}

/**
 * Makes a connection or channel token with the configured secret, with the audience and issuer that a node with
 * the same configuration asks for.
 * @throws HoldfastError CONFIG_INVALID without a secret, REQUEST_INVALID, CHANNEL_INVALID
 */
export async function createToken(config: Config['auth']['token'], request: TokenRequest): Promise<string> {
  if (config.hmacSecret === undefined) {
    throw new HoldfastError(
      'CONFIG_INVALID',
      'making a token needs auth.token.hmacSecret (HOLDFAST_TOKEN_HMAC_SECRET)',
    )
  }
  if (request.ttlSeconds !== undefined && !(request.ttlSeconds > 0)) {
    throw new HoldfastError('REQUEST_INVALID', `expected a time to live above 0 s, got ${request.ttlSeconds}`)
  }
  if (request.client !== undefined && request.channel === undefined) {
    throw new HoldfastError('REQUEST_INVALID', 'only a channel token can be tied to one client')
  }
  if (request.channels !== undefined && request.channel !== undefined) {
    throw new HoldfastError('REQUEST_INVALID', 'only a connection token has server-side subscriptions')
  }
  for (const channel of [request.channel, ...(request.channels ?? [])]) {
    if (channel !== undefined) checkChannel(channel)
  }
  const { channel, client, info, channels } = request
  const claims = Object.entries({ channel, client, info, channels }).filter(
    ([, value]) => value !== undefined,
  )
  const token = new SignJWT(Object.fromEntries(claims))
    .setProtectedHeader({ alg: request.algorithm ?? 'HS256', typ: 'JWT' })
    .setSubject(request.user)
    .setIssuedAt()
  if (request.ttlSeconds !== undefined) {
    token.setExpirationTime(Math.floor(Date.now() / 1000) + Math.ceil(request.ttlSeconds))
  }
  if (config.audience !== undefined) token.setAudience(config.audience)
  if (config.issuer !== undefined) token.setIssuer(config.issuer)
  return token.sign(new TextEncoder().encode(config.hmacSecret))
}
