import { checkChannel, HoldfastError } from '../../domain/index.ts'
import type { Config, Logger } from '../../platform/index.ts'
import type { Authenticator, Credentials, Handshake } from '../types.ts'
import { type AuthenticateHook, askApplication } from './authenticate-hook.ts'
import type { KeyCounts } from './key-counts.ts'
import { channelClaimsOf, connectionOf } from './token-claims.ts'
import { createTokenVerifier } from './token-verifier.ts'

export interface AuthenticatorOptions {
  readonly auth: Config['auth']
  /** The application's hook at this moment: it may be set after the server has been made. */
  readonly hook?: () => AuthenticateHook | undefined
  readonly hookTimeoutMs: number
  readonly logger: Logger
  /** Where fetches of the keys for tokens are counted. */
  readonly keyCounts?: KeyCounts
}

/**
 * Who a connection is. First the application's hook is asked; where it has nothing to say, the token decides;
 * without a token a connection is anonymous where `allowAnonymous` or `insecure` is on, and refused otherwise.
 * @throws HoldfastError CONFIG_INVALID for keys that cannot be read
 */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { auth, logger } = options
  const verifier = createTokenVerifier(auth.token, logger, options.keyCounts)

  async function identify(handshake: Handshake): Promise<Credentials> {
    const hook = options.hook?.()
    const told = hook && (await askApplication(hook, handshake, options.hookTimeoutMs))
    if (told) return told
    // Without keys nobody can tell a good token from a bad one; `insecure` lets both in, as nobody in particular.
    const judged = handshake.token !== '' && (verifier.enabled || !auth.insecure)
    if (judged) return fromToken(handshake.token)
    if (auth.insecure || auth.allowAnonymous) return { user: '', subscriptions: new Map() }
    throw new HoldfastError(
      'NOT_AUTHENTICATED',
      'the connection brings no token and anonymous ones are not allowed',
    )
  }

  async function fromToken(token: string): Promise<Credentials> {
    const credentials = connectionOf(await verifier.verify(token))
    if (credentials.user === '' && !auth.allowAnonymous && !auth.insecure) {
      throw new HoldfastError(
        'TOKEN_INVALID',
        'the token names no user and anonymous connections are not allowed',
      )
    }
    return credentials
  }

  return {
    async connect(handshake) {
      return withPersonalChannel(await identify(handshake), auth.personalNamespace, logger)
    },

    async refresh(token, user) {
      if (token === '') throw new HoldfastError('TOKEN_INVALID', 'a refresh needs a token')
      const credentials = await identify({ token, data: undefined, headers: {}, cookies: {}, client: '' })
      if (credentials.user !== user) {
        throw new HoldfastError('TOKEN_INVALID', 'the token belongs to another user than the connection')
      }
      return withPersonalChannel(credentials, auth.personalNamespace, logger)
    },

    async channel(token, who) {
      const claims = await verifier
        .verify(token)
        .then(channelClaimsOf)
        .catch(error => {
          // A channel token that cannot be trusted grants nothing; the connection itself is not in question.
          if (!(error instanceof HoldfastError) || error.code !== 'TOKEN_INVALID') throw error
          throw new HoldfastError('NOT_PERMITTED', error.message, { cause: error })
        })
      if (claims.channel !== who.channel) throw mismatch('channel')
      if (claims.user !== who.user) throw mismatch('user')
      if (claims.client !== '' && claims.client !== who.client) throw mismatch('client')
      return claims.grant
    },
  }
}

function mismatch(what: string): HoldfastError {
  return new HoldfastError('TOKEN_INVALID', `the channel token is for another ${what}`)
}

function withPersonalChannel(
  credentials: Credentials,
  namespace: string | undefined,
  logger: Logger,
): Credentials {
  if (namespace === undefined || credentials.user === '') return credentials
  const channel = `${namespace}:#${credentials.user}`
  try {
    checkChannel(channel)
  } catch {
    // Not a reason to refuse the connection: only this user's id does not fit into a channel's name.
    logger.warn(
      { user: credentials.user.slice(0, 64) },
      'no personal channel: the user id does not fit into a name',
    )
    return credentials
  }
  const subscriptions = new Map(credentials.subscriptions)
  if (!subscriptions.has(channel)) subscriptions.set(channel, {})
  return { ...credentials, subscriptions }
}
