import { describe, expect, it } from 'vitest'
import { type Action, type ErrorCode, type Grantee, HoldfastError } from '../domain/index.ts'
import { type ConfigInput, parseConfig } from '../platform/index.ts'
import type { AuthorizeHook } from './authorize-hook.ts'
import { createPermissions } from './permissions.ts'
import type { ChannelGrant, Requester } from './types.ts'

type Verdict = 'granted' | ErrorCode

const actions: readonly Action[] = ['subscribe', 'publish', 'append', 'presence', 'history']
const grant: ChannelGrant = { info: '{"from":"token"}' }

const requester = (as: Partial<{ user: string; subscribed: boolean; granted: boolean }> = {}): Requester => ({
  user: as.user ?? 'ann',
  client: 'c1',
  subscribed: () => as.subscribed ?? false,
  grant: () => (as.granted ? grant : undefined),
})

interface Setting {
  namespaces?: ConfigInput['namespaces']
  insecure?: boolean
  hooks?: Readonly<Record<string, AuthorizeHook>>
}

function permissions(setting: Setting) {
  return createPermissions({
    namespaces: parseConfig({ namespaces: setting.namespaces ?? {} }).namespaces,
    insecure: setting.insecure ?? false,
    authenticator: {
      async channel(token) {
        if (token === 'good') return grant
        throw new HoldfastError('TOKEN_EXPIRED', 'the token has expired')
      },
    },
    authorize(channel) {
      const hook = setting.hooks?.[channel]
      return hook && { hook, params: { id: '1' } }
    },
    hookTimeoutMs: 20,
  })
}

async function verdict(outcome: Promise<unknown>): Promise<Verdict> {
  try {
    await outcome
    return 'granted'
  } catch (error) {
    if (error instanceof HoldfastError) return error.code
    throw error
  }
}

/** A durable namespace with presence, where every action is available, with one list for all of them. */
const listed = (...allow: Grantee[]): Setting => ({
  namespaces: {
    room: {
      tier: 'durable',
      presence: true,
      allow: Object.fromEntries(actions.map(action => [action, allow])),
    },
  },
})

type Column = 'nobody' | 'user' | 'nobody subscribed' | 'user subscribed' | 'nobody granted' | 'user granted'

const columns: Record<Column, { who: Requester; subscribed: boolean; granted: boolean }> = {
  nobody: { who: requester({ user: '' }), subscribed: false, granted: false },
  user: { who: requester(), subscribed: false, granted: false },
  'nobody subscribed': { who: requester({ user: '', subscribed: true }), subscribed: true, granted: false },
  'user subscribed': { who: requester({ subscribed: true }), subscribed: true, granted: false },
  'nobody granted': {
    who: requester({ user: '', subscribed: true, granted: true }),
    subscribed: true,
    granted: true,
  },
  'user granted': { who: requester({ subscribed: true, granted: true }), subscribed: true, granted: true },
}

const all = Object.keys(columns) as Column[]
const signedIn: Column[] = ['user', 'user subscribed', 'user granted']
const subscribed: Column[] = ['nobody subscribed', 'user subscribed', 'nobody granted', 'user granted']
const signedInSubscribed: Column[] = ['user subscribed', 'user granted']
const granted: Column[] = ['nobody granted', 'user granted']

/** Every list there can be, and whom it lets in. */
const table: [Grantee[], Column[]][] = [
  [[], []],
  [['anonymous'], all],
  [['client'], signedIn],
  [['subscriber'], signedInSubscribed],
  [['token'], granted],
  [['anonymous', 'client'], all],
  [['anonymous', 'subscriber'], subscribed],
  [['anonymous', 'token'], all],
  [['client', 'subscriber'], signedIn],
  [
    ['client', 'token'],
    [...signedIn, 'nobody granted'],
  ],
  [
    ['subscriber', 'token'],
    [...signedInSubscribed, 'nobody granted'],
  ],
  [['anonymous', 'client', 'subscriber'], all],
  [['anonymous', 'client', 'token'], all],
  [['anonymous', 'subscriber', 'token'], subscribed],
  [
    ['client', 'subscriber', 'token'],
    [...signedIn, 'nobody granted'],
  ],
  [['anonymous', 'client', 'subscriber', 'token'], all],
]

describe.each(table)('a list of %j', (list, letsIn) => {
  it.each(actions)('lets in whom it names, for %s', async action => {
    const { check } = permissions(listed(...list))
    for (const column of all) {
      const { who, granted: hasGrant } = columns[column]
      const token = action === 'subscribe' && hasGrant ? 'good' : undefined
      const expected: Verdict = letsIn.includes(column) ? 'granted' : 'NOT_PERMITTED'
      expect([column, await verdict(check(action, 'room:42', who, token))]).toEqual([column, expected])
    }
  })
})

describe('a namespace', () => {
  it.each(actions)('that is not declared is unknown, for %s', async action => {
    const { check } = permissions({ ...listed('anonymous'), insecure: true })
    for (const channel of ['other:1', 'room', '__proto__:1', 'constructor:1', 'rooms:1', '']) {
      const expected = channel === '' ? 'CHANNEL_INVALID' : 'CHANNEL_UNKNOWN'
      expect(await verdict(check(action, channel, requester()))).toBe(expected)
    }
  })

  it.each(actions)('that is declared without a word allows nothing, for %s', async action => {
    const { check } = permissions({ namespaces: { room: {} } })
    const missing = action !== 'subscribe' && action !== 'publish'
    expect(await verdict(check(action, 'room:42', requester({ subscribed: true, granted: true })))).toBe(
      missing ? 'NOT_AVAILABLE' : 'NOT_PERMITTED',
    )
  })

  it('has available what its tier and options give', async () => {
    const allow = Object.fromEntries(actions.map(action => [action, ['anonymous' as const]]))
    const { check } = permissions({
      namespaces: {
        bare: { allow },
        kept: { allow, presence: true, history: { size: 10, ttlSeconds: 60 } },
        facts: { allow, tier: 'durable' },
      },
    })
    const row = async (channel: string) =>
      Promise.all(actions.map(action => verdict(check(action, channel, requester()))))
    const no = 'NOT_AVAILABLE'
    expect(await row('bare:1')).toEqual(['granted', 'granted', no, no, no])
    expect(await row('kept:1')).toEqual(['granted', 'granted', no, 'granted', 'granted'])
    expect(await row('facts:1')).toEqual(['granted', 'granted', 'granted', no, 'granted'])
  })

  it('is open to everyone where insecure is on', async () => {
    const { check } = permissions({ ...listed(), insecure: true })
    for (const action of actions) {
      for (const channel of ['room:42', '$room:42', 'room:#bob']) {
        expect(await verdict(check(action, channel, requester({ user: '' }), 'bad'))).toBe('granted')
      }
    }
  })
})

describe('the system’s own namespace', () => {
  const channel = 'holdfast:erasures'
  const own = { holdfast: { tier: 'durable' as const, allow: { subscribe: ['client' as const] } } }

  it('is written to by no client, not even where insecure is on', async () => {
    for (const insecure of [true, false]) {
      const { check } = permissions({ namespaces: own, insecure })
      expect(await verdict(check('append', channel, requester()))).toBe('NOT_PERMITTED')
      expect(await verdict(check('publish', `$${channel}`, requester(), 'good'))).toBe('NOT_PERMITTED')
    }
  })

  it('is read by those on its list, whatever the application’s hooks say', async () => {
    const { check } = permissions({ namespaces: own, hooks: { [channel]: () => true } })
    expect(await verdict(check('subscribe', channel, requester()))).toBe('granted')
    expect(await verdict(check('history', channel, requester()))).toBe('NOT_PERMITTED')
  })
})

describe('a private channel', () => {
  const { check } = permissions(listed('anonymous', 'client', 'token'))

  it('is subscribed with a token only, which its list must name or make needless', async () => {
    expect(await verdict(check('subscribe', '$room:42', requester()))).toBe('NOT_PERMITTED')
    expect(
      await verdict(check('subscribe', '$room:42', requester({ subscribed: true, granted: true }))),
    ).toBe('NOT_PERMITTED')
    expect(await check('subscribe', '$room:42', requester(), 'good')).toEqual(grant)
    expect(await verdict(check('subscribe', '$room:42', requester(), 'bad'))).toBe('TOKEN_EXPIRED')
    expect(await verdict(permissions(listed()).check('subscribe', '$room:42', requester(), 'good'))).toBe(
      'NOT_PERMITTED',
    )
  })

  it.each(actions.slice(1))('is closed to those who are not subscribed, for %s', async action => {
    expect(await verdict(check(action, '$room:42', requester()))).toBe('NOT_PERMITTED')
    expect(await verdict(check(action, '$room:42', requester({ subscribed: true })))).toBe('granted')
    expect(await verdict(check(action, '$room:42', requester({ subscribed: true, granted: true })))).toBe(
      'granted',
    )
  })
})

describe('a user-limited channel', () => {
  const { check } = permissions({
    ...listed('anonymous'),
    hooks: { 'room:#bob': () => true },
  })

  it.each(actions)('is closed to other users whatever lists, tokens and hooks say, for %s', async action => {
    const tries: [string, string, Verdict][] = [
      ['room:#ann', 'ann', 'granted'],
      ['room:#bob', 'ann', 'NOT_PERMITTED'],
      ['room:#', '', 'NOT_PERMITTED'],
      ['room:#ann', 'an', 'NOT_PERMITTED'],
      ['room:#ann,bob', 'ann,bob', 'granted'],
      ['room:#ann,bob', 'bob', 'NOT_PERMITTED'],
      ['room:talk#ann,bob', 'bob', 'granted'],
      ['room:talk#ann,bob', 'eve', 'NOT_PERMITTED'],
      ['room:a:#ann,bob', 'bob', 'granted'],
    ]
    for (const [channel, user, expected] of tries) {
      const token = action === 'subscribe' ? 'good' : undefined
      const who = requester({ user, subscribed: true, granted: true })
      expect([channel, user, await verdict(check(action, channel, who, token))]).toEqual([
        channel,
        user,
        expected,
      ])
    }
  })

  it('grants nothing by its name alone', async () => {
    const nothing = permissions(listed())
    expect(await verdict(nothing.check('subscribe', 'room:#ann', requester()))).toBe('NOT_PERMITTED')
  })
})

describe('a hook of the application', () => {
  it('decides in place of the lists', async () => {
    const yes = permissions({ ...listed(), hooks: { 'room:42': () => true } })
    const no = permissions({ ...listed('anonymous', 'client'), hooks: { 'room:42': () => false } })
    for (const action of actions) {
      expect(await verdict(yes.check(action, 'room:42', requester()))).toBe('granted')
      expect(await verdict(no.check(action, 'room:42', requester()))).toBe('NOT_PERMITTED')
      expect(await verdict(yes.check(action, 'room:43', requester()))).toBe('NOT_PERMITTED')
      expect(await verdict(no.check(action, 'room:43', requester()))).toBe('granted')
    }
  })

  it('is told who wants what, and may say more than yes', async () => {
    let told: unknown
    const { check } = permissions({
      ...listed(),
      hooks: {
        'room:42': call => {
          told = call
          return { info: { role: 'host' }, expireAt: 2_000_000_000 }
        },
      },
    })
    expect(await check('subscribe', 'room:42', requester())).toEqual({
      info: '{"role":"host"}',
      expireAt: 2_000_000_000,
    })
    expect(told).toEqual({
      user: 'ann',
      client: 'c1',
      channel: 'room:42',
      params: { id: '1' },
      action: 'subscribe',
    })
  })

  it('cannot open a private channel without a token', async () => {
    const { check } = permissions({ ...listed(), hooks: { '$room:42': () => true } })
    expect(await verdict(check('subscribe', '$room:42', requester()))).toBe('NOT_PERMITTED')
    expect(await check('subscribe', '$room:42', requester(), 'good')).toEqual(grant)
  })

  it('that throws, hangs or answers with something else denies for now', async () => {
    const withHook = (hook: AuthorizeHook) =>
      verdict(
        permissions({ ...listed('anonymous'), hooks: { 'room:42': hook } }).check(
          'publish',
          'room:42',
          requester(),
        ),
      )
    expect(
      await withHook(() => {
        throw new TypeError('x is undefined')
      }),
    ).toBe('DEPENDENCY_FAILED')
    expect(await withHook(() => Promise.reject(new Error('database away')))).toBe('DEPENDENCY_FAILED')
    expect(await withHook(() => new Promise(() => undefined))).toBe('DEPENDENCY_TIMEOUT')
    expect(await withHook(() => 'yes' as never)).toBe('DEPENDENCY_FAILED')
    expect(await withHook(() => undefined)).toBe('NOT_PERMITTED')
    expect(
      await withHook(() => {
        throw new HoldfastError('RATE_LIMITED', 'not so fast')
      }),
    ).toBe('RATE_LIMITED')
  })
})
