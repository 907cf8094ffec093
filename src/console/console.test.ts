import { createHash } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { HoldfastError } from '../domain/index.ts'
import { Breakers } from '../resilience/index.ts'
import { ConsoleAccess, hasConsole } from './access.ts'
import { watchChanges } from './changes.ts'
import { configDigest } from './config-digest.ts'
import { lostVerdict } from './loss-verdict.ts'
import { MarkBook } from './mark-book.ts'
import { Observers } from './observers.ts'
import { overviewOf, tierVerdict } from './overview.ts'
import { Peers } from './peers.ts'
import { RateBook } from './rate-book.ts'
import type { NodeReadings } from './readings.ts'
import { FrequentNames, Sampler } from './sampler.ts'
import { SharedPart } from './shared-part.ts'
import { NamespaceSwitches } from './switches.ts'
import type { Mark } from './wire-common.ts'
import type { AuditView, NodeSheet, NodeView, ProbeView } from './wire-now.ts'

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

describe('a configuration’s digest', () => {
  const config = {
    role: 'all',
    http: { port: 1 },
    console: { url: 'https://a.example' },
    redis: { url: 'redis://u:p@h' },
    api: { key: 'k' },
    n: { a: 1, b: 2 },
  }

  it('is the same for nodes that are configured alike, whatever their ports and secrets', () => {
    const other = {
      n: { b: 2, a: 1 },
      api: { key: 'x' },
      redis: { url: 'redis://h' },
      http: { port: 2 },
      console: { url: 'https://b.example' },
      role: 'worker',
    }
    expect(configDigest(other)).toBe(configDigest(config))
    expect(configDigest(config)).toMatch(/^[0-9a-f]{12}$/)
  })

  it('is another one where anything else differs', () => {
    expect(configDigest({ ...config, n: { a: 1, b: 3 } })).not.toBe(configDigest(config))
    expect(configDigest({ ...config, redis: { url: 'redis://other' } })).not.toBe(configDigest(config))
  })
})

describe('the rates of a node', () => {
  const counted = (published: number, ended: [string, number][] = [], connections = 1) => ({
    totals: { 'published.durable': published, refused: 0 },
    ended: new Map(ended),
    connections,
  })

  it('are increments per second, and counts by minute', () => {
    const book = new RateBook()
    book.take(counted(100), 60_000, 0)
    book.take(counted(120, [['3001', 2]]), 61_000, 1_000)
    book.take(counted(130, [['3001', 3]], 7), 121_000, 3_000)
    expect(book.perSecond()).toEqual({ 'published.durable': 10, refused: 0 })
    expect(book.since(0)).toEqual([
      { minute: 60_000, counts: { 'published.durable': 20, refused: 0 }, ends: { 3001: 2 }, connections: 1 },
      { minute: 120_000, counts: { 'published.durable': 10, refused: 0 }, ends: { 3001: 1 }, connections: 7 },
    ])
    expect(book.disconnects(121_000)).toEqual({ 3001: 3 })
    expect(book.disconnects(121_000 + 400_000)).toEqual({})
  })

  it('forget what is older than ten seconds, and remember three hours', () => {
    const book = new RateBook()
    for (let i = 0; i <= 200; i++) book.take(counted(i < 10 ? i * 1_000 : 9_000), i * 60_000, i * 60_000)
    expect(book.perSecond()['published.durable']).toBe(0)
    expect(book.since(0)).toHaveLength(180)
  })
})

describe('the most frequent names', () => {
  it('are found among more than there is room for, none counted too high and each too low by the error at most', () => {
    const names = new FrequentNames()
    for (let i = 0; i < 20_000; i++) names.note(i % 4 === 0 ? 'hot' : `rare-${i}`)
    const [[first, count] = ['', 0]] = names.top(1)
    expect(first).toBe('hot')
    expect(count).toBeLessThanOrEqual(5_000)
    expect(count + names.error).toBeGreaterThanOrEqual(5_000)
    expect(names.top(5_000).length).toBeLessThanOrEqual(1_000)
  })

  it('are counted for each who asks for as long as he wants to wait, together where that is soon', async () => {
    vi.useFakeTimers()
    try {
      const sampler = new Sampler()
      const ended: string[] = []
      const take = async (name: string, forMs: number) => {
        const { channels } = await sampler.take(forMs)
        ended.push(name)
        return channels.top(1)[0]?.[1]
      }
      expect(sampler.active).toBe(false)
      const long = take('long', 10_000)
      sampler.note('room:1', 'ann')
      const short = take('short', 2_000)
      const shared = take('shared', 5_000)
      sampler.note('room:1', undefined)
      await vi.advanceTimersByTimeAsync(2_000)
      expect(ended).toEqual(['short', 'shared'])
      expect(sampler.active).toBe(true)
      await vi.advanceTimersByTimeAsync(8_000)
      expect(await Promise.all([long, short, shared])).toEqual([2, 1, 1])
      expect(sampler.active).toBe(false)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('marks', () => {
  const book = (told: Mark[] = []) => new MarkBook({ nodeName: 'a', tell: mark => told.push(mark) })

  it('are told to others once, known by their ids, and wait until they are written', async () => {
    const told: Mark[] = []
    const marks = book(told)
    marks.note({ kind: 'epoch', says: 'x', id: 'epoch/1' })
    marks.note({ kind: 'epoch', says: 'x', id: 'epoch/1' })
    expect(told).toHaveLength(1)
    await expect(marks.write(() => Promise.reject(new Error('away')))).rejects.toThrow('away')
    const written: Mark[] = []
    await marks.write(async all => written.push(...all))
    await marks.write(async all => written.push(...all))
    expect(written.map(({ id }) => id)).toEqual(['epoch/1'])
  })

  it('of what flaps are no more than thirty a minute, and of others five hundred at most', () => {
    const told: Mark[] = []
    const marks = book(told)
    for (let i = 0; i < 100; i++) marks.note({ kind: 'breaker', says: `${i}` })
    expect(told.length).toBeLessThanOrEqual(60)
    for (let i = 0; i < 900; i++)
      marks.hear({ id: `${i}`, time: i, kind: 'breaker', node: 'b', says: '', details: {} })
    expect(marks.recent).toHaveLength(500)
    const times = marks.recent.map(({ time }) => time)
    expect(times).toEqual([...times].sort((x, y) => y - x))
  })
})

describe('what other nodes say', () => {
  const sheet = (time: number, everySeconds = 2, bus = 'ready') =>
    ({ id: 'b', name: 'b', time, everySeconds, parts: { bus } }) as NodeSheet

  it('is the latest, over the bus while that is heard, and else through Postgres', () => {
    const peers = new Peers()
    peers.take(sheet(1_000), 'bus', 1_000)
    peers.take(sheet(900), 'bus', 1_100)
    peers.take(sheet(2_000, 5), 'postgres', 2_000)
    expect(peers.views(2_000)).toMatchObject([{ via: 'bus', at: 1_000, heard: true }])
    expect(peers.views(9_000)).toMatchObject([{ heard: false }])
    peers.take(sheet(9_000, 5), 'postgres', 9_000)
    expect(peers.views(9_000)).toMatchObject([{ via: 'postgres', heard: true }])
    expect(peers.views(9_000 + 300_001)).toEqual([])
    peers.take(sheet(500_000), 'bus', 500_000)
    peers.bye('b')
    expect(peers.views(500_000)).toEqual([])
  })

  it('is what a node says that has lost the bus, however long its last word over the bus would hold', () => {
    const peers = new Peers()
    peers.take(sheet(1_000, 10), 'bus', 1_000)
    peers.take(sheet(2_000, 5, 'unreachable'), 'postgres', 2_000)
    expect(peers.views(2_000)).toMatchObject([{ via: 'postgres', at: 2_000 }])
    peers.take(sheet(3_000), 'bus', 3_000)
    expect(peers.views(3_000)).toMatchObject([{ via: 'bus', at: 3_000 }])
  })
})

describe('the verdict', () => {
  const now = 10_000_000
  const node = (audit: Partial<AuditView> | null, heard = true) =>
    ({
      heard,
      sheet: {
        parts: { ledger: 'ready' },
        audit: audit && {
          ...{ lost: 0, checked: 5, mismatches: {}, completedAt: now, wholeFrom: now - 90_000 },
          ...{ everySeconds: 30, ...audit },
        },
      },
    }) as NodeView
  const found = (time: number): Mark => ({
    ...{ id: `${time}`, time, kind: 'audit', node: 'a', says: '', details: { missing: 2 } },
  })

  it('about loss is good only where somebody has looked lately, and never forgets a loss', () => {
    const verdict = (...nodes: NodeView[]) => lostVerdict(nodes, now, []).verdict
    expect(verdict(node({}), node(null))).toBe('good')
    expect(verdict(node(null))).toBe('unknown')
    expect(verdict(node({ completedAt: null }))).toBe('unknown')
    expect(verdict(node({ completedAt: now - 150_001 }))).toBe('unknown')
    expect(verdict(node({ completedAt: now - 900_000, everySeconds: 1_200 }))).toBe('good')
    expect(verdict(node({}), node({ lost: 1 }, false))).toBe('bad')
  })

  it('about loss outlives who has found it, until a whole pass that began later has not found it', () => {
    const verdict = (nodes: NodeView[], ...marks: Mark[]) => lostVerdict(nodes, now, marks)
    const restarted = node({ wholeFrom: null })
    expect(verdict([restarted], found(now - 80_000))).toMatchObject({ verdict: 'bad', lost: 2 })
    expect(verdict([node({})], found(now - 80_000))).toMatchObject({ verdict: 'bad', lost: 2 })
    expect(verdict([node(null)], found(now - 80_000))).toMatchObject({ verdict: 'bad', lost: 2 })
    expect(verdict([node({})], found(now - 100_000))).toMatchObject({ verdict: 'good', lost: 0 })
    expect(lostVerdict([node({})], now, null).verdict).toBe('unknown')
  })

  it('about loss outlives also who has found it a moment before its end', () => {
    const told: Mark[] = []
    let lost = 0
    let find = (_: number): void => undefined
    const end = watchChanges({
      marks: new MarkBook({ nodeName: 'a', tell: mark => told.push(mark) }),
      nodeName: 'a',
      breakers: new Breakers(),
      readings: {
        health: () => ({ parts: { ledger: 'ready' } }) as ReturnType<NodeReadings['health']>,
        audit: () => ({ lost }) as ReturnType<NodeReadings['audit']>,
        onLoss: heard => {
          find = heard
        },
      },
      ledger: undefined,
    })
    lost = 2
    find(lost)
    // Its turn ends, and with it what it knows.
    lost = 0
    end()
    expect(told).toMatchObject([{ kind: 'audit', details: { missing: 2 } }])
  })

  it('about loss says what was looked at, and knows nothing while the ledger is silent', () => {
    expect(lostVerdict([node({ wholeFrom: null })], now, []).says).toContain('newest 100 events')
    expect(lostVerdict([node({})], now, []).says).toContain('Everything')
    const [cut, other] = [node({}), node({}, false)]
    Object.assign(cut.sheet.parts, { ledger: 'unreachable' })
    expect(lostVerdict([cut, other], now, []).verdict).toBe('unknown')
    expect(lostVerdict([cut, node(null)], now, []).verdict).toBe('good')
  })

  it('about a tier is what its canaries saw, and unknown where they saw nothing', () => {
    const probe = (more: Partial<ProbeView>): ProbeView => ({
      ...{ node: 'a', tier: 'durable', path: 'local', succeeded: 0, failed: 0, degraded: 0 },
      ...{ latencyMs: null, at: null, reason: null, ...more },
    })
    const verdict = (...probes: Partial<ProbeView>[]) => tierVerdict(probes.map(probe)).verdict
    expect(verdict({ succeeded: 9 })).toBe('good')
    expect(verdict({ succeeded: 9 }, { path: 'other', failed: 3 })).toBe('bad')
    expect(verdict({ succeeded: 9, failed: 1 })).toBe('degraded')
    expect(verdict({ succeeded: 9 }, { path: 'other', succeeded: 20, degraded: 1 })).toBe('degraded')
    expect(verdict({})).toBe('unknown')
    expect(verdict()).toBe('unknown')
    const failing = [
      probe({ path: 'other', failed: 3, reason: 'unheard' }),
      probe({ path: 'accept', failed: 1 }),
    ]
    expect(tierVerdict(failing).says).toBe(
      'Does not deliver: delivery from a to other nodes (unheard), what a accepts.',
    )
  })

  it('about signals is that they stay within a node without a bus, though it has heard of no other to try', () => {
    const probe = { tier: 'realtime', path: 'local', succeeded: 9, failed: 0, degraded: 0 } as ProbeView
    const realtime = (bus: string, more: Partial<ProbeView> = {}) => {
      const sheet = { name: 'a', parts: { bus }, probes: [{ ...probe, ...more }], readOnly: [] }
      const view = { heard: true, sheet: { ...sheet, audit: null } } as unknown as NodeView
      const marks = { value: null, source: 'postgres', at: null, problem: null } as const
      return overviewOf([view], [], marks, []).tiers.realtime
    }
    expect(realtime('ready').verdict).toBe('good')
    expect(realtime('unreachable')).toMatchObject({
      verdict: 'degraded',
      says: 'Within each node only: no bus between a and other nodes.',
    })
    expect(realtime('unreachable', { failed: 10 }).verdict).toBe('bad')
  })
})

describe('an answer that is shared', () => {
  it('is asked for once, and told with its age and the reason where its source is silent', async () => {
    let asked = 0
    let away = false
    const part = new SharedPart(
      async () => {
        asked++
        if (away) throw new HoldfastError('DEPENDENCY_TIMEOUT', 'silent')
        return asked
      },
      { sharedMs: 0 },
    )
    const both = await Promise.all([part.get(), part.get()])
    expect(both.map(({ value }) => value)).toEqual([1, 1])
    away = true
    expect(await part.get()).toMatchObject({ value: 1, at: both[0].at, problem: 'silent' })
  })

  it('is asked for anew once somebody has acted, also where a question from before is under way', async () => {
    let [asked, changedAt] = [0, 0]
    const held: (() => void)[] = []
    const read = async () => {
      const mine = ++asked
      await new Promise<void>(resolve => held.push(resolve))
      return mine
    }
    const part = new SharedPart(read, { sharedMs: 60_000, changedAt: () => changedAt })
    const before = part.get()
    changedAt = performance.now()
    const after = [part.get(), part.get()]
    held[1]?.()
    for (const each of after) expect((await each).value).toBe(2)
    held[0]?.()
    expect((await before).value).toBe(1)
    expect((await part.get()).value).toBe(2)
    expect(asked).toBe(2)
  })

  it('says nothing where it never had one', async () => {
    const part = new SharedPart(() => Promise.reject(new HoldfastError('DEPENDENCY_FAILED', 'away')))
    expect(await part.get()).toMatchObject({ value: null, at: null, problem: 'away' })
  })
})

describe('a read-only namespace', () => {
  it('refuses its own channels, private ones too, and no others', () => {
    const switches = new NamespaceSwitches()
    expect(switches.refusal('order:1')).toBeUndefined()
    switches.learn(new Map([['order', { since: 1, by: 'console:ann', reason: null }]]), 1)
    for (const channel of ['order:1', '$order:1'])
      expect(switches.refusal(channel)).toMatchObject({ code: 'READ_ONLY', remedy: 'retry_later' })
    expect(switches.refusal('orders:1')).toBeUndefined()
    expect(() => switches.admit('order:1')).toThrow('takes no publications')
    expect(switches.refused).toBe(3)
  })
})
