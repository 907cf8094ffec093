import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { durable } from '../../../test/support/durable-nodes.ts'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { newEventId } from '../../domain/index.ts'
import { createLogger } from '../../platform/index.ts'
import { createOperations } from '../operations/operations.ts'
import { type CursorOperations, cursorOperations } from './cursor-operations.ts'
import { createCursors } from './postgres-cursors.ts'
import type { Cursors } from './types.ts'

let db: TestLedger
let cursors: Cursors
let operations: CursorOperations

beforeAll(async () => {
  db = await testLedger()
  operations = cursorOperations(db.sql)
  cursors = createCursors({
    url: db.url,
    partitions: db.ledgers[0].partitions,
    namespaces: { order: { cursors: { hold: ['archive'], holdSeconds: 60 } }, chat: durable },
    maxPerUser: 10_000,
    logger: createLogger('silent'),
  })
  const append = (channel: string) =>
    db.ledgers[0].append({ channel, type: 'T', data: '1', id: newEventId() })
  for (const channel of ['order:1', 'order:2', '$chat:1', 'plain']) {
    await Promise.all(Array.from({ length: 10 }, () => append(channel)))
  }
  const ack = (channel: string, user: string, name: string, offset: number) =>
    cursors.ack({ channel, user, name, offset })
  await ack('order:1', 'ann', 'inbox', 4)
  await ack('order:1', 'ann', 'archive', 1)
  await ack('order:1', 'ben', 'inbox', 10)
  await ack('order:2', 'ann', 'inbox', 9)
  await ack('$chat:1', 'ben', 'inbox', 7)
  await ack('plain', 'ben', 'inbox', 0)
})
afterAll(async () => {
  await cursors.close()
  await db.close()
})

const acts = () => db.sql`select actor, act, target, reason from holdfast.acts order by id`

describe('the list of cursors', () => {
  const listed = async (filter: Parameters<CursorOperations['list']>[0]) => {
    const { cursors, next } = await operations.list(filter, { limit: 100 })
    expect(next).toBeUndefined()
    return cursors.map(each => `${each.channel} ${each.user} ${each.name} ${each.offset}`).sort()
  }

  it('is by channel, by user, by name, or by all of them', async () => {
    expect(await listed({ channel: 'order:1' })).toEqual([
      'order:1 ann archive 1',
      'order:1 ann inbox 4',
      'order:1 ben inbox 10',
    ])
    expect(await listed({ user: 'ben' })).toEqual([
      '$chat:1 ben inbox 7',
      'order:1 ben inbox 10',
      'plain ben inbox 0',
    ])
    expect(await listed({ name: 'archive' })).toEqual(['order:1 ann archive 1'])
    expect(await listed({ channel: 'order:2', user: 'ann', name: 'inbox' })).toEqual(['order:2 ann inbox 9'])
    expect(await listed({ channel: 'order:2', user: 'ben' })).toEqual([])
    expect(await listed({})).toHaveLength(6)
    expect(await operations.count({})).toBe(6)
    expect(await operations.count({ channel: 'order:1', name: 'inbox' })).toBe(2)
  })

  it('says where each stands, how far it is behind, and whether it holds retention', async () => {
    const { cursors } = await operations.list({ channel: 'order:1', user: 'ann' }, { limit: 9 })
    const common = {
      channel: 'order:1',
      user: 'ann',
      epoch: db.ledgers[0].epoch,
      valid: true,
      head: 10,
      moved: expect.any(Number),
    }
    expect(cursors).toEqual([
      { ...common, name: 'archive', offset: 1, lag: 9, holding: true },
      { ...common, name: 'inbox', offset: 4, lag: 6, holding: false },
    ])
  })

  it('comes in pages without a gap, whatever their size', async () => {
    for (const limit of [1, 2, 5, 6]) {
      const found: string[] = []
      let after: string | undefined
      do {
        const page = await operations.list({}, { limit, after })
        expect(page.cursors.length).toBeLessThanOrEqual(limit)
        found.push(...page.cursors.map(each => `${each.channel} ${each.user} ${each.name}`))
        after = page.next
      } while (after !== undefined)
      expect(new Set(found).size).toBe(6)
      expect(found).toHaveLength(6)
    }
  })

  it.each(['rubbish', 'WzEsMiwzLDRd', Buffer.from('[1,"a","b\\u0000","c"]').toString('base64url')])(
    'refuses the page %j',
    async after => {
      await expect(operations.list({}, { limit: 1, after })).rejects.toMatchObject({
        code: 'REQUEST_INVALID',
      })
    },
  )
})

describe('lags', () => {
  it('are told by namespace and name, never by channel or user', async () => {
    expect(await operations.lags()).toEqual([
      { namespace: '', cursor: 'inbox', count: 1, maxLag: 10, sumLag: 10 },
      { namespace: 'chat', cursor: 'inbox', count: 1, maxLag: 3, sumLag: 3 },
      { namespace: 'order', cursor: 'archive', count: 1, maxLag: 9, sumLag: 9 },
      { namespace: 'order', cursor: 'inbox', count: 3, maxLag: 6, sumLag: 7 },
    ])
  })

  it('have a bound, however many names clients make up and however many cursors there are', async () => {
    const own = await testLedger()
    await own.sql`
      insert into holdfast.cursors (partition, channel, "user", name, "offset", epoch, moved)
      select 0, 'order:' || n % 50, 'user-' || n, case when n % 2 = 0 then 'inbox' else 'n' || n % 997 end, 0,
             (select epoch from holdfast.ledger), 1
      from generate_series(1, 40000) as n`
    await own.sql`analyze holdfast.cursors`
    const lags = await cursorOperations(own.sql).lags()
    expect(lags.length).toBeLessThanOrEqual(200)
    const counted = lags.reduce((sum, lag) => sum + lag.count, 0)
    expect(counted).toBeGreaterThan(20_000)
    expect(counted).toBeLessThan(60_000)
    const inbox = lags.find(lag => lag.cursor === 'inbox')
    expect((inbox?.count ?? 0) / counted).toBeCloseTo(0.5, 1)
    expect(lags.find(lag => lag.cursor === '(other)')).toMatchObject({ namespace: '' })
    await own.close()
  })
})

describe('what a user has not read', () => {
  const say = async (channel: string, type: string, user?: string) => {
    const id = newEventId()
    const info =
      user === undefined
        ? {}
        : { info: { user, client: 'c', connInfo: '['.repeat(9_000) + ']'.repeat(9_000) } }
    await db.ledgers[0].append({ channel, type, data: '1', id, ...info })
    return id
  }
  const unread = async (filter: Parameters<CursorOperations['unread']>[0]) => {
    const { channels, next } = await operations.unread(filter, { limit: 100 })
    expect(next).toBeUndefined()
    return Object.fromEntries(
      channels.map(each => [each.channel, each.more ? `${each.unread}+` : each.unread]),
    )
  }

  it('is counted from the cursors on, without the user’s own, what was erased, and what does not matter', async () => {
    for (const n of [1, 2, 3]) {
      await say(`talk:${n}`, 'Said', 'eve')
      await cursors.ack({ channel: `talk:${n}`, user: 'eve', name: 'read', offset: 1 })
    }
    await cursors.ack({ channel: 'talk:1', user: 'eve', name: 'archive', offset: 0 })
    await say('talk:1', 'Said', 'ann')
    await say('talk:1', 'Liked', 'ann')
    await say('talk:1', 'Said', 'eve')
    await say('talk:1', 'Said')
    const erased = await say('talk:2', 'Said', 'ann')
    await createOperations(db.sql).erasure.erase({
      ...{ channel: 'talk:2', event: { id: erased }, actor: 'ops', reason: 'asked to' },
    })
    for (let i = 0; i < 12; i++) await say('talk:3', 'Said', 'ann')
    const eve = { user: 'eve', name: 'read' }
    expect(await unread(eve)).toEqual({ 'talk:1': 3, 'talk:2': 0, 'talk:3': 12 })
    expect(await unread({ ...eve, own: true, types: ['Said'] })).toEqual({
      'talk:1': 3,
      'talk:2': 0,
      'talk:3': 12,
    })
    expect(await unread({ ...eve, types: ['Liked'], most: 1 })).toEqual({
      'talk:1': 1,
      'talk:2': 0,
      'talk:3': 0,
    })
    expect(await unread({ ...eve, most: 11 })).toMatchObject({ 'talk:3': '11+' })
    expect(await unread({ ...eve, most: 12 })).toMatchObject({ 'talk:3': 12 })
    expect(await unread({ user: 'nobody' })).toEqual({})
    expect((await operations.unread({ user: 'eve' }, { limit: 100 })).channels).toHaveLength(4)

    const [one] = (await operations.unread(eve, { limit: 100 })).channels.filter(
      ({ channel }) => channel === 'talk:1',
    )
    expect(one).toEqual({
      ...{ channel: 'talk:1', name: 'read', offset: 1, head: 5, unread: 3, more: false },
      ...{ lastType: 'Said', lastTime: expect.any(Number) },
    })
    const pages: string[] = []
    for (let after: string | undefined; ; ) {
      const { channels, next } = await operations.unread(eve, { limit: 1, after })
      pages.push(...channels.map(({ channel }) => channel))
      after = next
      if (after === undefined) break
    }
    expect(pages.sort()).toEqual(['talk:1', 'talk:2', 'talk:3'])
    await expect(operations.unread(eve, { limit: 1, after: 'rubbish' })).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    })
    await operations.remove({ user: 'eve', actor: 'ops' })
    await db.sql`delete from holdfast.acts`
  })
})

describe('removing', () => {
  it('needs a channel or a user, and records who did what and why', async () => {
    await expect(operations.remove({ actor: 'ops', name: 'inbox' })).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
    })
    const key = { channel: 'order:2', user: 'ann', name: 'inbox' }
    expect(await operations.remove({ ...key, actor: 'ops', reason: 'she left' })).toBe(1)
    expect(await operations.remove({ ...key, actor: 'ops' })).toBe(0)
    expect(await cursors.read(key)).toMatchObject({ offset: 0, moved: undefined })
    expect(await operations.remove({ user: 'ben', actor: 'ops' })).toBe(3)
    expect(await acts()).toEqual([
      {
        actor: 'ops',
        act: 'remove_cursors',
        target: '1 of cursor inbox of "ann" in order:2',
        reason: 'she left',
      },
      { actor: 'ops', act: 'remove_cursors', target: '3 of cursor * of "ben"', reason: null },
    ])
  })

  it('many goes on while they are acknowledged, without a deadlock', async () => {
    const channel = 'order:2'
    const users = Array.from({ length: 2_500 }, (_, i) => `u${i}`)
    await Promise.all(users.map(user => cursors.ack({ channel, user, name: 'inbox', offset: 1 })))
    const steps: number[] = []
    const [removed, ...places] = await Promise.all([
      operations.remove({ channel, actor: 'ops' }, step => steps.push(step)),
      ...users.map(user => cursors.ack({ channel, user, name: 'inbox', offset: 2 })),
    ])
    expect(removed).toBeGreaterThanOrEqual(1_000)
    expect(steps.reduce((sum, step) => sum + step, 0)).toBe(removed)
    expect(places.every(place => place.offset === 2)).toBe(true)
    await operations.remove({ channel, actor: 'ops' })
    expect((await operations.list({ channel }, { limit: 1 })).cursors).toEqual([])
  })
})
