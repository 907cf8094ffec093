import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { HoldfastError } from '../domain/index.ts'
import { ConsoleAccess, hasConsole } from './access.ts'
import { Observers } from './observers.ts'

const token = 'a-token-of-some-length'
const configOf = (more: object = {}, insecure = false) => ({
  console: { tokens: [], host: '127.0.0.1', keepDays: 15, ...more },
  auth: { insecure, allowedOrigins: ['https://dev.example'] },
})

describe('who may use the console', () => {
  const tokens = [
    { name: 'ann', role: 'operator', token } as const,
    {
      name: 'vic',
      role: 'viewer',
      tokenHash: createHash('sha256').update(`${token}2`).digest('hex'),
    } as const,
  ]

  it('is who has a token, by itself or by its digest', () => {
    const access = new ConsoleAccess(configOf({ tokens }))
    expect(access.check(`Bearer ${token}`, '1')).toMatchObject({ visitor: { name: 'ann', role: 'operator' } })
    expect(access.check(`bearer ${token}2`, '1')).toMatchObject({ visitor: { name: 'vic', role: 'viewer' } })
    for (const wrong of [undefined, '', 'Bearer ', `Bearer ${token}3`, `Basic ${token}`])
      expect(access.check(wrong, '1')).toEqual({ kind: 'denied' })
    expect(access.denied).toBe(1)
  })

  it('guesses no more than twenty times a minute from one address; a right token passes all the same', () => {
    let now = 0
    const access = new ConsoleAccess(configOf({ tokens }), () => now)
    const guess = (address: string) => access.check('Bearer wrong-wrong-wrong', address).kind
    expect(Array.from({ length: 22 }, () => guess('1')).filter(kind => kind === 'limited')).toHaveLength(2)
    expect(guess('2')).toBe('denied')
    expect(access.check(`Bearer ${token}`, '1').kind).toBe('granted')
    now = 60_000
    expect(guess('1')).toBe('denied')
  })

  it('is nobody without tokens, everybody where the node is insecure, and nobody where it is turned off', () => {
    expect(hasConsole(configOf())).toBe(false)
    expect(hasConsole(configOf({}, true))).toBe(true)
    expect(hasConsole(configOf({ enabled: false, tokens }, true))).toBe(false)
    expect(new ConsoleAccess(configOf({}, true)).check(undefined, '1')).toMatchObject({ open: true })
    expect(new ConsoleAccess(configOf({ tokens }, true)).check(undefined, '1').kind).toBe('denied')
  })

  it('is nobody by a name that a foreign page may have led here, where no token is needed', () => {
    const open = (host: string) => new ConsoleAccess(configOf({}, true)).check(undefined, '1', host).kind
    expect(open('rebinding.example:8000')).toBe('elsewhere')
    for (const host of ['localhost:8000', '127.0.0.1:8000', '[::1]', 'dev.example'])
      expect(open(host)).toBe('granted')
    const named = new ConsoleAccess(configOf({ tokens })).check(`Bearer ${token}`, '1', 'ops.example')
    expect(named.kind).toBe('granted')
  })

  it.each([true, false])(
    'is known on sockets by the console’s own listener alone: it has one: %s',
    async ownListener => {
      const access = new ConsoleAccess(configOf({ tokens }))
      const unknown = async (): Promise<never> => {
        throw new HoldfastError('TOKEN_INVALID', 'unknown')
      }
      const { connect, refresh } = new Observers({
        access,
        ownListener,
        onTail: () => undefined,
      }).authenticator({
        ...{ connect: unknown, refresh: unknown, channel: unknown },
      })
      const handshake = { token, data: undefined, headers: {}, cookies: {}, client: 'c' }
      expect(await connect({ ...handshake, byConsole: true })).toMatchObject({ user: 'console:ann' })
      const elsewhere = connect({ ...handshake, byConsole: false })
      if (ownListener) await expect(elsewhere).rejects.toThrow('unknown')
      else expect(await elsewhere).toMatchObject({ user: 'console:ann' })
      expect(await refresh(token, 'console:ann')).toMatchObject({ user: 'console:ann' })
      await expect(refresh(token, 'console:vic')).rejects.toThrow('another user')
      await expect(refresh(token, 'ann')).rejects.toThrow('unknown')
    },
  )
})
