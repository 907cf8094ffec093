import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ControlRoom, MemoryRouter, RecordedSessions } from '../../../test/support/gateway.ts'
import { HoldfastError } from '../../domain/index.ts'
import { createLogger } from '../../platform/index.ts'
import { type Cluster, createCluster } from './cluster.ts'
import { matchesGlob } from './glob.ts'

const timings = { helloEveryMs: 20, forgetAfterMs: 2_000, answerWithinMs: 300 }

let room: ControlRoom
let open: Cluster[]

beforeEach(() => {
  room = new ControlRoom()
  open = []
})
afterEach(() => {
  for (const cluster of open) cluster.close()
})

function start(id: string, forgetAfterMs = timings.forgetAfterMs, helloEveryMs = timings.helloEveryMs) {
  const sessions = new RecordedSessions()
  const router = new MemoryRouter({})
  const cluster = createCluster({
    node: { id, name: `node ${id}`, version: '0.1.0' },
    control: room.join(id),
    sessions,
    router,
    logger: createLogger('silent'),
    timings: { ...timings, forgetAfterMs, helloEveryMs },
  })
  open.push(cluster)
  return { cluster, sessions, router }
}

const namesOf = async (cluster: Cluster) => (await cluster.info()).map(node => node.uid).sort()
const codeOf = (outcome: Promise<unknown>) =>
  outcome.then(
    () => 'done',
    error => (error instanceof HoldfastError ? error.code : `foreign: ${error}`),
  )

describe('the cluster', () => {
  it('tells what every node is and has', async () => {
    const a = start('a')
    const b = start('b')
    b.sessions.add('c1', 'ann')
    b.sessions.add('c2', 'ann')
    b.router.subscribers = new Map([
      ['room:1', 2],
      ['room:2', 1],
    ])
    await vi.waitFor(async () => expect(await namesOf(a.cluster)).toEqual(['a', 'b']))
    const [, ofB] = [...(await a.cluster.info())].sort((one, two) => one.uid.localeCompare(two.uid))
    expect(ofB).toEqual({
      uid: 'b',
      name: 'node b',
      version: '0.1.0',
      num_clients: 2,
      num_users: 1,
      num_channels: 2,
      num_subs: 3,
      uptime: expect.any(Number),
    })
  })

  it('adds up the subscribers of channels that match', async () => {
    const a = start('a')
    const b = start('b')
    a.router.subscribers = new Map([
      ['room:1', 1],
      ['news:1', 1],
    ])
    b.router.subscribers = new Map([
      ['room:1', 2],
      ['room:2', 3],
    ])
    await vi.waitFor(async () => expect(await namesOf(a.cluster)).toEqual(['a', 'b']))
    expect(Object.fromEntries(await a.cluster.channels('room:*'))).toEqual({ 'room:1': 3, 'room:2': 3 })
    expect((await b.cluster.channels('*')).size).toBe(3)
  })

  it('carries a command out on whichever node the sessions are, and answers when that is done', async () => {
    const a = start('a')
    const b = start('b')
    a.sessions.add('c1', 'ann')
    b.sessions.add('c2', 'ann')
    b.sessions.add('c3', 'bob')
    await vi.waitFor(async () => expect(await namesOf(a.cluster)).toEqual(['a', 'b']))
    const unsubscribe = { act: 'unsubscribe', channel: 'room:1', code: 2000, reason: 'gone' } as const
    expect(await a.cluster.act({ ...unsubscribe, user: 'ann' })).toEqual({ sessions: 2 })
    expect(a.sessions.done).toEqual(['unsubscribe c1 "room:1" 2000 "gone"'])
    expect(b.sessions.done).toEqual(['unsubscribe c2 "room:1" 2000 "gone"'])
    expect(await a.cluster.act({ ...unsubscribe, client: 'c3' })).toEqual({ sessions: 1 })
    expect(await a.cluster.act({ ...unsubscribe, client: 'c3', user: 'ann' })).toEqual({ sessions: 0 })
    expect(await a.cluster.act({ ...unsubscribe })).toEqual({ sessions: 0 })
    expect(b.sessions.done).toHaveLength(2)
  })

  it('spares whitelisted clients', async () => {
    const { cluster, sessions } = start('a')
    for (const client of ['c1', 'c2', 'c3']) sessions.add(client, 'ann')
    await cluster.act({ act: 'disconnect', user: 'ann', whitelist: ['c2'], code: 3503, reason: 'out' })
    expect(sessions.done).toEqual(['disconnect c1 3503 "out"', 'disconnect c3 3503 "out"'])
  })

  it('says what went wrong on another node, and takes an existing subscription for done', async () => {
    const a = start('a')
    const b = start('b')
    b.sessions.add('c1', 'ann', new HoldfastError('LIMIT_EXCEEDED', 'too many channels'))
    b.sessions.add('c2', 'bob', new HoldfastError('ALREADY_SUBSCRIBED', 'already'))
    await vi.waitFor(async () => expect(await namesOf(a.cluster)).toEqual(['a', 'b']))
    const subscribe = { act: 'subscribe', channel: 'room:1' } as const
    expect(await codeOf(a.cluster.act({ ...subscribe, user: 'ann' }))).toBe('LIMIT_EXCEEDED')
    expect(await a.cluster.act({ ...subscribe, user: 'bob' })).toEqual({ sessions: 1 })
  })

  it('asks again when a message gets lost', async () => {
    const a = start('a')
    const b = start('b')
    b.sessions.add('c1', 'ann')
    await vi.waitFor(async () => expect(await namesOf(a.cluster)).toEqual(['a', 'b']))
    let lost = 0
    room.lose = message => (message as { kind: string }).kind === 'ask' && lost++ === 0
    const outcome = await a.cluster.act({ act: 'refresh', user: 'ann', expired: true })
    expect(outcome).toEqual({ sessions: 1 })
    expect(lost).toBe(2)
  })

  it('says so when a node does not confirm, has acted where it could, and goes on alone later', async () => {
    const a = start('a', 400)
    const b = start('b')
    a.sessions.add('c1', 'ann')
    b.sessions.add('c2', 'ann')
    await vi.waitFor(async () => expect(await namesOf(a.cluster)).toEqual(['a', 'b']))
    room.cut.add('b')
    const act = () =>
      a.cluster.act({ act: 'unsubscribe', user: 'ann', channel: 'room:1', code: 2000, reason: 'x' })
    expect(await codeOf(act())).toBe('DEPENDENCY_TIMEOUT')
    expect(a.sessions.done).toHaveLength(1)
    expect(await namesOf(a.cluster)).toEqual(['a'])
    await vi.waitFor(async () => expect(await codeOf(act())).toBe('done'), { timeout: 5_000 })
    room.cut.delete('b')
    await vi.waitFor(async () => expect(await namesOf(a.cluster)).toEqual(['a', 'b']), { timeout: 5_000 })
  })

  it('knows the others as soon as it starts, and they know it', async () => {
    const a = start('a', 60_000, 60_000)
    const b = start('b', 60_000, 60_000)
    await vi.waitFor(async () => expect(await namesOf(b.cluster)).toEqual(['a', 'b']))
    expect(await namesOf(a.cluster)).toEqual(['a', 'b'])
  })

  it('forgets a node that says goodbye', async () => {
    const a = start('a', 60_000)
    const b = start('b')
    await vi.waitFor(async () => expect(await namesOf(a.cluster)).toEqual(['a', 'b']))
    b.cluster.close()
    await vi.waitFor(async () => expect(await namesOf(a.cluster)).toEqual(['a']))
  })

  it('goes on naming a node that went without a goodbye as one whose breakers are not known', async () => {
    const a = start('a', 400)
    start('b', 60_000, 60_000)
    await vi.waitFor(async () => expect(await namesOf(a.cluster)).toEqual(['a', 'b']))
    room.cut.add('b')
    await vi.waitFor(
      async () =>
        expect(
          await codeOf(
            a.cluster.act({ act: 'unsubscribe', user: 'x', channel: 'room:1', code: 2000, reason: 'x' }),
          ),
        ).toBe('done'),
      {
        timeout: 5_000,
      },
    )
    expect((await a.cluster.breakers(true)).silent).toEqual(['b'])
    room.cut.delete('b')
    await vi.waitFor(async () => expect((await a.cluster.breakers(true)).silent).toEqual([]), {
      timeout: 5_000,
    })
  })

  it('ignores messages of other versions, of others and of nobody', async () => {
    const a = start('a', 60_000)
    const stranger = room.join('stranger')
    const hello = { about: 'cluster', v: 1, node: 'x', kind: 'hello' }
    for (const message of [
      null,
      7,
      'x',
      [],
      {},
      { ...hello, v: 2 },
      { ...hello, about: 'y' },
      { ...hello, node: 1 },
    ]) {
      stranger.send(message)
    }
    stranger.send({
      ...hello,
      kind: 'ask',
      id: 'q',
      question: { kind: 'command', command: { act: 'explode' } },
    })
    expect(await namesOf(a.cluster)).toEqual(['a'])
  })
})

describe('channel globs', () => {
  it.each([
    ['*', 'room:1', true],
    ['*', '', true],
    ['room:*', 'room:', true],
    ['room:*', 'rooms:1', false],
    ['room:?', 'room:1', true],
    ['room:?', 'room:12', false],
    ['*:1', 'room:1', true],
    ['*o*m:*1', 'room:1:1', true],
    ['room:1', 'room:1', true],
    ['room:1', 'room:11', false],
    ['room.1', 'room:1', false],
    ['', '', true],
    ['', 'a', false],
    ['?', '*', true],
    ['a**b', 'ab', true],
  ])('%s against %s: %s', (pattern, name, expected) => {
    expect(matchesGlob(pattern, name)).toBe(expected)
  })

  it('judges a pattern made to backtrack as any other', () => {
    expect(matchesGlob(`${'*a'.repeat(120)}b`, 'a'.repeat(255))).toBe(false)
  })
})
