import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { HoldfastError } from '../../domain/index.ts'
import { type ConfigInput, createLogger, parseConfig } from '../../platform/index.ts'
import type { Handshake } from '../types.ts'
import type { AuthenticateHook } from './authenticate-hook.ts'
import { createAuthenticator } from './authenticator.ts'
import { createToken } from './create-token.ts'

type AuthInput = NonNullable<ConfigInput['auth']>

const secret = 'a secret that is long enough for every hash of the test'
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const edwards = generateKeyPairSync('ed25519')
const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString()
const now = () => Math.floor(Date.now() / 1000)

function authenticator(auth: AuthInput, hook?: AuthenticateHook, hookTimeoutMs = 1_000) {
  return createAuthenticator({
    auth: parseConfig({ auth, namespaces: { personal: {} } }).auth,
    hookTimeoutMs,
    logger: createLogger('silent'),
    ...(hook ? { hook: () => hook } : {}),
  })
}

function handshake(token: string): Handshake {
  return { token, data: undefined, headers: {}, cookies: {}, client: 'c1' }
}

function sign(
  claims: Record<string, unknown>,
  alg = 'HS256',
  key: KeyObject | string = secret,
  kid?: string,
) {
  const header = { alg, ...(kid === undefined ? {} : { kid }) }
  return new SignJWT(claims)
    .setProtectedHeader(header)
    .sign(typeof key === 'string' ? new TextEncoder().encode(key) : key)
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

async function codeOf(outcome: Promise<unknown>): Promise<string> {
  try {
    await outcome
    return 'none'
  } catch (error) {
    return error instanceof HoldfastError ? error.code : `foreign: ${error}`
  }
}

const hmac = { token: { hmacSecret: secret } }

describe('connection tokens', () => {
  it.each(['HS256', 'HS384', 'HS512'])('are accepted when signed by %s with the secret', async alg => {
    const token = await sign({ sub: 'ann', exp: now() + 60, info: { name: 'Ann' } }, alg)
    const credentials = await authenticator(hmac).connect(handshake(token))
    expect(credentials.user).toBe('ann')
    expect(credentials.info).toBe('{"name":"Ann"}')
    expect(credentials.expireAt).toBeGreaterThan(now())
  })

  it.each([
    ['RS256', rsa],
    ['RS384', rsa],
    ['RS512', rsa],
    ['ES256', curve],
    ['EdDSA', edwards],
  ] as const)('are accepted when signed by %s, checked with a PEM or JWK public key', async (alg, pair) => {
    const token = await sign({ sub: 'ann' }, alg, pair.privateKey)
    const jwk = JSON.stringify(pair.publicKey.export({ format: 'jwk' }))
    for (const publicKey of [pem(pair.publicKey), pem(pair.publicKey).replaceAll('\n', '\\n'), jwk]) {
      const credentials = await authenticator({ token: { publicKey } }).connect(handshake(token))
      expect(credentials).toEqual({ user: 'ann', subscriptions: new Map() })
    }
  })

  const rsaOnly = { token: { publicKey: pem(rsa.publicKey) } }
  const faults: [string, AuthInput, () => Promise<string> | string, string][] = [
    [
      'of algorithm none',
      hmac,
      () => `${encode({ alg: 'none' })}.${encode({ sub: 'ann' })}.`,
      'TOKEN_INVALID',
    ],
    [
      'of algorithm none with a signature',
      hmac,
      () => `${encode({ alg: 'none' })}.${encode({ sub: 'ann' })}.AAAA`,
      'TOKEN_INVALID',
    ],
    [
      'signed by HMAC with the text of the public key',
      rsaOnly,
      () => {
        const body = `${encode({ alg: 'HS256' })}.${encode({ sub: 'ann' })}`
        return `${body}.${createHmac('sha256', pem(rsa.publicKey)).update(body).digest('base64url')}`
      },
      'TOKEN_INVALID',
    ],
    [
      'signed by HMAC with the public key where a secret is configured too',
      { token: { hmacSecret: secret, publicKey: pem(rsa.publicKey) } },
      () => sign({ sub: 'ann' }, 'HS256', pem(rsa.publicKey)),
      'TOKEN_INVALID',
    ],
    [
      'signed with a key of another kind',
      rsaOnly,
      () => sign({ sub: 'a' }, 'ES256', curve.privateKey),
      'TOKEN_INVALID',
    ],
    [
      'signed by an RSA key where only a secret is configured',
      hmac,
      () => sign({ sub: 'ann' }, 'RS256', rsa.privateKey),
      'TOKEN_INVALID',
    ],
    ['signed with another secret', hmac, () => sign({ sub: 'ann' }, 'HS256', `${secret}!`), 'TOKEN_INVALID'],
    [
      'changed after signing',
      hmac,
      async () => {
        const [head, , signature] = (await sign({ sub: 'ann' })).split('.')
        return `${head}.${encode({ sub: 'bob' })}.${signature}`
      },
      'TOKEN_INVALID',
    ],
    ['that are no token', hmac, () => 'not.a.token', 'TOKEN_INVALID'],
    [
      'that are longer than we look at',
      hmac,
      () => sign({ sub: 'ann', pad: 'x'.repeat(20_000) }),
      'TOKEN_INVALID',
    ],
    ['that have expired', hmac, () => sign({ sub: 'ann', exp: now() - 60 }), 'TOKEN_EXPIRED'],
    ['whose expire_at is over', hmac, () => sign({ sub: 'ann', expire_at: now() - 60 }), 'TOKEN_EXPIRED'],
    [
      'that are expired and forged',
      hmac,
      () => sign({ sub: 'a', exp: now() - 60 }, 'HS256', 'x'),
      'TOKEN_INVALID',
    ],
    ['that are not valid yet', hmac, () => sign({ sub: 'ann', nbf: now() + 60 }), 'TOKEN_INVALID'],
    ['issued in the future', hmac, () => sign({ sub: 'ann', iat: now() + 60 }), 'TOKEN_INVALID'],
    ['whose exp is no number', hmac, () => sign({ sub: 'ann', exp: 'tomorrow' }), 'TOKEN_INVALID'],
    ['whose sub is no string', hmac, () => sign({ sub: 42 }), 'TOKEN_INVALID'],
    ['that name no user', hmac, () => sign({}), 'TOKEN_INVALID'],
    ['that are channel tokens', hmac, () => sign({ sub: 'ann', channel: 'room:1' }), 'TOKEN_INVALID'],
    ['with info that is no JSON', hmac, () => sign({ sub: 'a', b64info: 'eyI=' }), 'TOKEN_INVALID'],
    ['where no key is configured', {}, () => sign({ sub: 'ann' }), 'TOKEN_INVALID'],
    ['that are missing', hmac, () => '', 'NOT_AUTHENTICATED'],
    [
      'for another audience',
      { token: { hmacSecret: secret, audience: 'us' } },
      () => sign({ sub: 'ann', aud: 'us.evil' }),
      'TOKEN_INVALID',
    ],
    [
      'without the audience asked for',
      { token: { hmacSecret: secret, audience: 'us' } },
      () => sign({ sub: 'ann' }),
      'TOKEN_INVALID',
    ],
    [
      'of another issuer',
      { token: { hmacSecret: secret, issuer: 'https://a.example' } },
      () => sign({ sub: 'ann', iss: 'https://a.example.evil' }),
      'TOKEN_INVALID',
    ],
    [
      'of a key id that the configured key does not have',
      { token: { publicKey: JSON.stringify({ ...rsa.publicKey.export({ format: 'jwk' }), kid: 'one' }) } },
      () => sign({ sub: 'ann' }, 'RS256', rsa.privateKey, 'two'),
      'TOKEN_INVALID',
    ],
  ]
  it.each(faults)('%s are refused', async (_, auth, token, code) => {
    expect(await codeOf(authenticator(auth).connect(handshake(await token())))).toBe(code)
  })

  it('may be a few seconds off our clock', async () => {
    const token = await sign({ sub: 'ann', exp: now() - 1, nbf: now() + 3, iat: now() + 3 })
    expect((await authenticator(hmac).connect(handshake(token))).user).toBe('ann')
  })

  it('are accepted for the audience and issuer asked for', async () => {
    const auth = { token: { hmacSecret: secret, audience: 'us', issuer: 'them' } }
    const token = await sign({ sub: 'ann', aud: ['them', 'us'], iss: 'them' })
    expect((await authenticator(auth).connect(handshake(token))).user).toBe('ann')
  })

  it('carry server-side subscriptions, infos and an expiry of the connection', async () => {
    const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64')
    const token = await sign({
      sub: 'ann',
      b64info: b64({ name: 'Ann' }),
      exp: now() + 10,
      expire_at: now() + 1_000,
      channels: ['news:all'],
      subs: { 'room:1': { info: { role: 'host' }, b64data: b64([1]) }, 'news:all': { data: null } },
      meta: { secret: true },
    })
    const credentials = await authenticator(hmac).connect(handshake(token))
    expect(credentials.info).toBe('{"name":"Ann"}')
    expect(credentials.expireAt).toBeGreaterThan(now() + 500)
    expect(credentials.subscriptions).toEqual(
      new Map([
        ['news:all', { data: 'null' }],
        ['room:1', { info: '{"role":"host"}', data: '[1]' }],
      ]),
    )
    expect(JSON.stringify(credentials)).not.toContain('secret')
  })

  it('with an expire_at of 0 give a connection that does not end', async () => {
    const token = await sign({ sub: 'ann', exp: now() + 10, expire_at: 0 })
    expect(await authenticator(hmac).connect(handshake(token))).not.toHaveProperty('expireAt')
  })

  it('add the personal channel of a user whose id fits into a name', async () => {
    const auth = { ...hmac, personalNamespace: 'personal', allowAnonymous: true }
    const subscriptionsOf = async (sub: string) =>
      (await authenticator(auth).connect(handshake(await sign({ sub })))).subscriptions
    expect([...(await subscriptionsOf('ann'))]).toEqual([['personal:#ann', {}]])
    expect((await subscriptionsOf('')).size).toBe(0)
    expect((await subscriptionsOf('with space')).size).toBe(0)
  })
})

describe('connections without a token', () => {
  it('are anonymous where that is allowed', async () => {
    const anonymous = { user: '', subscriptions: new Map() }
    expect(await authenticator({ allowAnonymous: true }).connect(handshake(''))).toEqual(anonymous)
    expect(await authenticator({ insecure: true }).connect(handshake(''))).toEqual(anonymous)
    expect(await authenticator({ insecure: true }).connect(handshake('anything'))).toEqual(anonymous)
  })

  it('do not make a bad token good where anonymous ones are allowed', async () => {
    const forged = await sign({ sub: 'ann' }, 'HS256', 'another')
    for (const auth of [
      { ...hmac, allowAnonymous: true },
      { ...hmac, insecure: true },
    ]) {
      expect(await codeOf(authenticator(auth).connect(handshake(forged)))).toBe('TOKEN_INVALID')
    }
    expect(await codeOf(authenticator({ allowAnonymous: true }).connect(handshake(forged)))).toBe(
      'TOKEN_INVALID',
    )
  })
})

describe('refresh', () => {
  it('takes a new token of the same user and no other', async () => {
    const { refresh } = authenticator(hmac)
    expect((await refresh(await sign({ sub: 'ann', exp: now() + 60 }), 'ann')).expireAt).toBeGreaterThan(
      now(),
    )
    expect(await codeOf(refresh(await sign({ sub: 'bob' }), 'ann'))).toBe('TOKEN_INVALID')
    expect(await codeOf(refresh(await sign({ sub: 'ann', exp: now() - 60 }), 'ann'))).toBe('TOKEN_EXPIRED')
    expect(await codeOf(refresh('', 'ann'))).toBe('TOKEN_INVALID')
  })
})

describe('channel tokens', () => {
  const who = { user: 'ann', client: 'c1', channel: '$room:1' }
  const good = { sub: 'ann', channel: '$room:1' }

  it('grant what their claims say', async () => {
    const token = await sign({ ...good, client: 'c1', info: { a: 1 }, data: [2], exp: now() + 60 })
    const grant = await authenticator(hmac).channel(token, who)
    expect(grant).toEqual({ info: '{"a":1}', data: '[2]', expireAt: expect.any(Number) })
  })

  it('of an anonymous client have no sub', async () => {
    const token = await sign({ channel: '$room:1' })
    expect(await authenticator(hmac).channel(token, { ...who, user: '' })).toEqual({})
  })

  it.each([
    ['signed with another secret', good, 'x', 'NOT_PERMITTED'],
    ['that have expired', { ...good, exp: 1 }, secret, 'TOKEN_EXPIRED'],
    ['whose expire_at is over', { ...good, expire_at: 1 }, secret, 'TOKEN_EXPIRED'],
    ['for another channel', { ...good, channel: '$room:2' }, secret, 'TOKEN_INVALID'],
    ['for no channel: connection tokens', { sub: 'ann' }, secret, 'TOKEN_INVALID'],
    ['of another user', { ...good, sub: 'bob' }, secret, 'TOKEN_INVALID'],
    ['of no user', { channel: '$room:1' }, secret, 'TOKEN_INVALID'],
    ['tied to another client', { ...good, client: 'c2' }, secret, 'TOKEN_INVALID'],
    ['not valid yet', { ...good, nbf: 99_999_999_999 }, secret, 'NOT_PERMITTED'],
    ['with claims of another shape', { ...good, client: 7 }, secret, 'NOT_PERMITTED'],
  ])('%s are refused', async (_, claims, key, code) => {
    expect(await codeOf(authenticator(hmac).channel(await sign(claims, 'HS256', key), who))).toBe(code)
  })
})

describe("the application's hook", () => {
  it('says who a connection is, before any token is looked at', async () => {
    const hook: AuthenticateHook = ({ token }) => ({
      user: token,
      info: { n: 1 },
      expireAt: 2_000_000_000,
      channels: { 'news:all': { data: { d: 1 } } },
    })
    expect(await authenticator(hmac, hook).connect(handshake('ann'))).toEqual({
      user: 'ann',
      info: '{"n":1}',
      expireAt: 2_000_000_000,
      subscriptions: new Map([['news:all', { data: '{"d":1}' }]]),
    })
    const listed = authenticator({}, () => ({ user: 'ann', channels: ['a:1', 'a:2'] }))
    expect([...(await listed.connect(handshake(''))).subscriptions.keys()]).toEqual(['a:1', 'a:2'])
  })

  it('leaves it to the token when it has nothing to say', async () => {
    const both = authenticator(hmac, () => undefined)
    expect((await both.connect(handshake(await sign({ sub: 'ann' })))).user).toBe('ann')
    expect(await codeOf(both.connect(handshake('')))).toBe('NOT_AUTHENTICATED')
  })

  it('refuses by its own error, and for now when it throws, hangs or answers with no identity', async () => {
    const refuses = authenticator({}, () => {
      throw new HoldfastError('NOT_AUTHENTICATED', 'who are you?')
    })
    const throws = authenticator({ insecure: true }, () => {
      throw new TypeError('x is undefined')
    })
    const hangs = authenticator({ insecure: true }, () => new Promise(() => undefined), 20)
    const strange = authenticator({ insecure: true }, () => ({ name: 'ann' }) as never)
    expect(await codeOf(refuses.connect(handshake('t')))).toBe('NOT_AUTHENTICATED')
    expect(await codeOf(throws.connect(handshake('t')))).toBe('DEPENDENCY_FAILED')
    expect(await codeOf(hangs.connect(handshake('t')))).toBe('DEPENDENCY_TIMEOUT')
    expect(await codeOf(strange.connect(handshake('t')))).toBe('DEPENDENCY_FAILED')
  })
})

describe('keys', () => {
  it.each([
    ['text that is no key', 'hello'],
    ['a private JWK', JSON.stringify(edwards.privateKey.export({ format: 'jwk' }))],
    ['a private PEM', edwards.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()],
    ['a short RSA key', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)],
    ['a key that cannot sign', pem(generateKeyPairSync('x25519').publicKey)],
    [
      'a JWK with an algorithm that is not its own',
      JSON.stringify({ ...rsa.publicKey.export({ format: 'jwk' }), alg: 'ES256' }),
    ],
  ])('are refused at the start: %s', (_, publicKey) => {
    expect(() => authenticator({ token: { publicKey } })).toThrow(/auth\.token\.publicKey/)
  })
})

describe('createToken', () => {
  const token = parseConfig({ auth: { token: { hmacSecret: secret, audience: 'us', issuer: 'them' } } }).auth
    .token
  const node = authenticator({ token: { hmacSecret: secret, audience: 'us', issuer: 'them' } })

  it('makes tokens that a node of the same configuration accepts', async () => {
    const connection = await createToken(token, {
      user: 'ann',
      ttlSeconds: 60,
      info: { a: 1 },
      channels: ['n:1'],
    })
    const credentials = await node.connect(handshake(connection))
    expect(credentials.user).toBe('ann')
    expect(credentials.info).toBe('{"a":1}')
    expect([...credentials.subscriptions.keys()]).toEqual(['n:1'])
    const channel = await createToken(token, {
      user: 'ann',
      channel: '$r:1',
      client: 'c1',
      algorithm: 'HS512',
    })
    expect(await node.channel(channel, { user: 'ann', client: 'c1', channel: '$r:1' })).toEqual({})
  })

  it('refuses what makes no sense', async () => {
    const none = parseConfig({}).auth.token
    expect(await codeOf(createToken(none, { user: 'ann' }))).toBe('CONFIG_INVALID')
    expect(await codeOf(createToken(token, { user: 'ann', ttlSeconds: -1 }))).toBe('REQUEST_INVALID')
    expect(await codeOf(createToken(token, { user: 'ann', client: 'c' }))).toBe('REQUEST_INVALID')
    expect(await codeOf(createToken(token, { user: 'ann', channel: 'a b' }))).toBe('CHANNEL_INVALID')
  })
})
