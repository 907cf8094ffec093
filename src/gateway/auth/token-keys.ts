import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import type { JWTVerifyGetKey } from 'jose'
import { HoldfastError } from '../../domain/index.ts'
import type { Config, Logger } from '../../platform/index.ts'
import type { KeyCounts } from './key-counts.ts'
import { createRemoteKeys } from './remote-keys.ts'

type TokenConfig = Config['auth']['token']

/** What tokens may be signed with. No algorithm is on that the configured kind of key does not call for. */
export interface TokenKeys {
  readonly algorithms: readonly string[]
  readonly find: JWTVerifyGetKey
}

export const hmacAlgorithms = ['HS256', 'HS384', 'HS512'] as const
const rsaAlgorithms = ['RS256', 'RS384', 'RS512']
const edwardsAlgorithms = ['EdDSA', 'Ed25519']
const curveAlgorithms: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}
const remoteAlgorithms = [...rsaAlgorithms, ...Object.values(curveAlgorithms), ...edwardsAlgorithms]
/** RFC 7518, 3.2: an HMAC key is at least as long as the hash. */
const soundSecretBytes = 32

/**
 * The configured keys, or undefined where there are none. The key is picked by the *kind* of the algorithm, so a
 * token "signed" by HMAC with the text of a public key finds no key that would check it.
 * @throws HoldfastError CONFIG_INVALID for a public key that cannot be read or is too weak
 */
export function createTokenKeys(
  config: TokenConfig,
  logger: Logger,
  counts?: KeyCounts,
): TokenKeys | undefined {
  const secret = config.hmacSecret === undefined ? undefined : new TextEncoder().encode(config.hmacSecret)
  const fixed = config.publicKey === undefined ? undefined : readPublicKey(config.publicKey)
  const remote =
    config.jwksUrl === undefined ? undefined : createRemoteKeys(new URL(config.jwksUrl), logger, counts)
  if (!secret && !fixed && !remote) return undefined
  if (secret && secret.length < soundSecretBytes) {
    logger.warn(
      `auth.token.hmacSecret has ${secret.length} bytes; shorter than ${soundSecretBytes} can be guessed`,
    )
  }
  const hmac = new Set<string>(secret ? hmacAlgorithms : [])
  return {
    algorithms: [...hmac, ...new Set([...(fixed?.algorithms ?? []), ...(remote ? remoteAlgorithms : [])])],
    find(header, token) {
      if (secret && hmac.has(header.alg)) return secret
      if (fixed?.algorithms.includes(header.alg) && fixed.answersTo(header.kid, remote !== undefined))
        return fixed.key
      if (remote && remoteAlgorithms.includes(header.alg)) return remote(header, token)
      throw new HoldfastError('TOKEN_INVALID', 'no configured key fits the token')
    },
  }
}

interface PublicKey {
  readonly key: KeyObject
  readonly algorithms: readonly string[]
  /** Whether a token with this key id is for this key; `shared`: there is a key set as well, which owns all ids. */
  answersTo(kid: string | undefined, shared: boolean): boolean
}

function readPublicKey(text: string): PublicKey {
  const fault = (message: string, cause?: unknown) =>
    new HoldfastError('CONFIG_INVALID', `auth.token.publicKey: ${message}`, { cause })
  const pem = text.replaceAll('\\n', '\n').trim()
  let key: KeyObject
  let jwk: JsonWebKey = {}
  try {
    if (/^-----BEGIN (RSA )?PUBLIC KEY-----/.test(pem)) {
      key = createPublicKey(pem)
    } else {
      jwk = JSON.parse(text)
      key = createPublicKey({ key: jwk, format: 'jwk' })
    }
  } catch (cause) {
    throw fault('expected a PEM public key (SPKI) or a public JWK', cause)
  }
  if (jwk.d !== undefined) throw fault('expected a public key, got a private one; keep that with the issuer')
  const algorithms = algorithmsOf(key)
  if (algorithms.length === 0) throw fault(`keys of type ${key.asymmetricKeyType} are not supported`)
  if ((key.asymmetricKeyDetails?.modulusLength ?? 2048) < 2048)
    throw fault('expected RSA of 2048 bits or more')
  const pinned = jwk.alg === undefined ? algorithms : algorithms.filter(name => name === jwk.alg)
  if (pinned.length === 0) throw fault(`the key cannot be used with its "alg" ${JSON.stringify(jwk.alg)}`)
  return {
    key,
    algorithms: pinned,
    answersTo(kid, shared) {
      if (kid === undefined || kid === jwk.kid) return true
      return jwk.kid === undefined && !shared
    },
  }
}

function algorithmsOf(key: KeyObject): readonly string[] {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return rsaAlgorithms
    case 'ed25519':
      return edwardsAlgorithms
    case 'ec': {
      const algorithm = curveAlgorithms[key.asymmetricKeyDetails?.namedCurve ?? '']
      return algorithm ? [algorithm] : []
    }
    default:
      return []
  }
}
