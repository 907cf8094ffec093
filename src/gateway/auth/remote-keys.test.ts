import { generateKeyPairSync } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignJWT } from 'jose'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { HoldfastError } from '../../domain/index.ts'
import { createLogger, parseConfig } from '../../platform/index.ts'
import { createTokenVerifier, type TokenVerifier } from './token-verifier.ts'

const makeKey = (kid: string) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig' } }
}
type Key = ReturnType<typeof makeKey>
const one = makeKey('one')
const two = makeKey('two')

let server: Server
let published: unknown
let answer: 'keys' | 'error' | 'silence'
let fetches: number
let verifier: TokenVerifier

beforeEach(async () => {
  // Only the date: sockets and the fetch's deadline go on in real time.
  vi.useFakeTimers({ toFake: ['Date'] })
  published = { keys: [one.jwk] }
  answer = 'keys'
  fetches = 0
  server = createServer((_, response) => {
    fetches++
    if (answer === 'silence') return
    response.writeHead(answer === 'error' ? 500 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(published))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  verifier = verifierFor()
})

afterEach(async () => {
  vi.useRealTimers()
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})

function verifierFor(publicKey?: object): TokenVerifier {
  const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`
  const { token } = parseConfig({
    auth: { token: { jwksUrl, ...(publicKey ? { publicKey: JSON.stringify(publicKey) } : {}) } },
  }).auth
  return createTokenVerifier(token, createLogger('silent'))
}

function sign(key: Key, header: Record<string, unknown> = { kid: key.kid }): Promise<string> {
  return new SignJWT({ sub: 'ann' }).setProtectedHeader({ alg: 'ES256', ...header }).sign(key.privateKey)
}

async function codeOf(key: Key, header?: Record<string, unknown>): Promise<string> {
  try {
    await verifier.verify(await sign(key, header))
    return 'accepted'
  } catch (error) {
    return error instanceof HoldfastError ? error.code : `foreign: ${error}`
  }
}

const later = (ms: number) => vi.setSystemTime(Date.now() + ms)

it('fetches the key set once for many tokens', async () => {
  expect(await Promise.all(Array.from({ length: 20 }, () => codeOf(one)))).toEqual(Array(20).fill('accepted'))
  expect(await codeOf(one)).toBe('accepted')
  expect(fetches).toBe(1)
})

it('accepts a token without kid where one key fits, and refuses it where several do', async () => {
  expect(await codeOf(one, {})).toBe('accepted')
  published = { keys: [one.jwk, two.jwk] }
  verifier = verifierFor()
  expect(await codeOf(one, {})).toBe('TOKEN_INVALID')
  expect(await codeOf(one)).toBe('accepted')
})

it('refuses a token whose kid names a key that signed something else', async () => {
  published = { keys: [one.jwk, two.jwk] }
  expect(await codeOf(one, { kid: 'two' })).toBe('TOKEN_INVALID')
})

it('never takes the key that a token brings along', async () => {
  expect(await codeOf(two, { jwk: two.jwk })).toBe('TOKEN_INVALID')
  expect(await codeOf(two, { kid: 'two', jku: 'http://127.0.0.1:1/keys' })).not.toBe('accepted')
})

it('refuses a kid that is not in a key set fetched for it', async () => {
  expect(await codeOf(two)).toBe('TOKEN_INVALID')
  expect(fetches).toBe(1)
})

it('finds a rotated key by fetching again, and forgets the withdrawn one', async () => {
  expect(await codeOf(one)).toBe('accepted')
  published = { keys: [two.jwk] }
  later(60_000)
  expect(await codeOf(two)).toBe('accepted')
  expect(await codeOf(one)).not.toBe('accepted')
  expect(fetches).toBe(2)
})

it('does not let made-up key ids cause a fetch each, nor calls a token invalid that may be of a new key', async () => {
  expect(await codeOf(one)).toBe('accepted')
  published = { keys: [one.jwk, two.jwk] }
  later(1)
  expect(await Promise.all(Array.from({ length: 20 }, () => codeOf(two)))).toEqual(
    Array(20).fill('DEPENDENCY_REJECTED'),
  )
  expect(fetches).toBe(1)
  later(31_000)
  expect(await codeOf(two)).toBe('accepted')
})

it('says that it cannot tell, when the key set cannot be fetched', async () => {
  answer = 'error'
  expect(await codeOf(one)).toBe('DEPENDENCY_FAILED')
  expect(await codeOf(one)).toBe('DEPENDENCY_REJECTED')
  expect(fetches).toBe(1)
  answer = 'keys'
  later(2_000)
  expect(await codeOf(one)).toBe('accepted')
})

it('says that it cannot tell, when the issuer does not listen, never answers or answers nonsense', async () => {
  published = 'nonsense'
  expect(await codeOf(one)).toBe('DEPENDENCY_FAILED')
  answer = 'silence'
  verifier = verifierFor()
  expect(await codeOf(one)).toBe('DEPENDENCY_TIMEOUT')
  verifier = verifierFor()
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
  expect(await codeOf(one)).toBe('DEPENDENCY_FAILED')
})

it('goes on with the keys it has while the issuer is away', async () => {
  expect(await codeOf(one)).toBe('accepted')
  answer = 'error'
  later(3_600_000)
  expect(await codeOf(one)).toBe('accepted')
  await vi.waitFor(() => expect(fetches).toBe(2))
  later(48 * 3_600_000)
  expect(await codeOf(one)).toMatch(/^DEPENDENCY_/)
})

it('stands beside a fixed public key, which answers for tokens without kid or with its own', async () => {
  const { kid, ...nameless } = two.jwk
  for (const fixed of [nameless, two.jwk]) {
    verifier = verifierFor(fixed)
    expect(await codeOf(one)).toBe('accepted')
    expect(await codeOf(two, {})).toBe('accepted')
    expect(await codeOf(one, {})).toBe('TOKEN_INVALID')
  }
  expect(await codeOf(two, { kid })).toBe('accepted')
  verifier = verifierFor(nameless)
  expect(await codeOf(two, { kid })).toBe('TOKEN_INVALID')
})
