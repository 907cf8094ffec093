import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { durable } from '../../../test/support/durable-nodes.ts'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { seeded } from '../../../test/support/seeded.ts'
import { newEventId } from '../../domain/index.ts'
import { connectPostgres, createLogger, type Logger, type Sql } from '../../platform/index.ts'
import { createCursors } from './postgres-cursors.ts'
import type { Cursors } from './types.ts'

let db: TestLedger
let epoch: string
const opened: Cursors[] = []
let events = 0

beforeAll(async () => {
  db = await testLedger()
  epoch = db.ledgers[0].epoch
})
afterAll(async () => {
  await Promise.all(opened.map(each => each.close()))
  await db.close()
})

/** Says what went wrong and was repeated, so that nobody outside heard of it. */
const troubles: unknown[] = []
const trouble = (about: unknown) => troubles.push(about)
const logger = { ...createLogger('silent'), warn: trouble, debug: trouble } as unknown as Logger

function node(options: { maxPerUser?: number; url?: string; logger?: Logger } = {}): Cursors {
  const cursors = createCursors({
    url: db.url,
    partitions: db.ledgers[0].partitions,
    namespaces: {
      order: durable,
      held: { cursors: { hold: ['archive'], holdSeconds: 60 } },
      kept: { cursors: { hold: ['archive'], holdSeconds: 0 } },
    },
    maxPerUser: 1_000,
    logger: createLogger('silent'),
    ...options,
  })
  opened.push(cursors)
  return cursors
}

/** A channel of its own with so many events. */
async function channelWith(count: number, namespace = 'order'): Promise<string> {
  const channel = `${namespace}:c${events++}`
  await Promise.all(
    Array.from({ length: count }, () =>
      db.ledgers[0].append({ channel, type: 'T', data: '1', id: newEventId() }),
    ),
  )
  return channel
}

const rows = (channel: string) => db.sql<{ user: string; offset: number; epoch: string }[]>`
  select "user", "offset", epoch, holds, holds_until - moved as "heldFor" from holdfast.cursors
  where channel = ${channel} order by "user"`

describe('a cursor', () => {
  it('stands at 0 until it is acknowledged, then where it was, on every node, and never goes back', async () => {
    const [a, b] = [node(), node()]
    const channel = await channelWith(10)
    const key = { channel, user: 'ann', name: 'inbox' }
    expect(await a.read(key)).toEqual({ offset: 0, epoch, head: 10, lag: 10, moved: undefined })
    expect(await a.ack({ ...key, offset: 7, epoch })).toEqual({ offset: 7, epoch })
    expect(await b.ack({ ...key, offset: 4, epoch })).toEqual({ offset: 7, epoch })
    const state = await b.read(key)
    expect(state).toMatchObject({ offset: 7, epoch, head: 10, lag: 3 })
    expect(Math.abs((state.moved ?? 0) - Date.now())).toBeLessThan(60_000)
    expect(await b.ack({ ...key, offset: 7 })).toEqual({ offset: 7, epoch })
    expect((await b.read(key)).moved).toBe(state.moved)
    expect(await b.ack({ ...key, offset: 10 })).toEqual({ offset: 10, epoch })
    expect(await a.read({ ...key, user: 'ben' })).toMatchObject({ offset: 0, moved: undefined })
    expect(await a.read({ ...key, name: 'other' })).toMatchObject({ offset: 0, moved: undefined })
  })

  it('can be put before the first event, also of a channel that has none', async () => {
    const cursors = node()
    const key = { channel: 'order:empty', user: 'ann', name: 'inbox' }
    expect(await cursors.ack({ ...key, offset: 0 })).toEqual({ offset: 0, epoch })
    expect(await cursors.read(key)).toMatchObject({ offset: 0, head: 0, moved: expect.any(Number) })
    await expect(cursors.ack({ ...key, offset: 1 })).rejects.toMatchObject({ details: { head: 0 } })
  })

  it('above the head is refused with the head, and spoils none that came with it', async () => {
    const cursors = node()
    const channel = await channelWith(5)
    const key = { channel, user: 'ann', name: 'inbox' }
    const other = { channel, user: 'ben', name: 'inbox' }
    const ends = await Promise.allSettled([
      cursors.ack({ ...key, offset: 3 }),
      cursors.ack({ ...key, offset: 6 }),
      cursors.ack({ ...key, offset: Number.MAX_SAFE_INTEGER }),
      cursors.ack({ ...other, offset: 5 }),
      cursors.ack({ ...key, offset: 1 }),
    ])
    const refused = {
      status: 'rejected',
      reason: { code: 'REQUEST_INVALID', message: expect.stringContaining('5'), details: { head: 5 } },
    }
    const at = (offset: number) => ({ status: 'fulfilled', value: { offset, epoch } })
    expect(ends).toMatchObject([at(3), refused, refused, at(5), at(3)])
    expect(await rows(channel)).toMatchObject([
      { user: 'ann', offset: 3 },
      { user: 'ben', offset: 5 },
    ])
  })

  it('may be acknowledged up to a head that retention has removed', async () => {
    const channel = await channelWith(5)
    await db.sql`select holdfast.remove_events(${epoch}, ${db.ledgers[0].partitionOf(channel)}, ${channel}, 1000)`
    const key = { channel, user: 'ann', name: 'inbox' }
    const cursors = node()
    expect(await cursors.ack({ ...key, offset: 5 })).toEqual({ offset: 5, epoch })
    await expect(cursors.ack({ ...key, offset: 6 })).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
  })

  it('holds retention where its namespace says so, and for how long', async () => {
    const cursors = node()
    const expected = {
      held: { holds: true, heldFor: 60_000 },
      kept: { holds: true, heldFor: null },
      order: { holds: false, heldFor: null },
    }
    for (const [namespace, what] of Object.entries(expected)) {
      const channel = await channelWith(1, namespace)
      await cursors.ack({ channel, user: 'ann', name: 'archive', offset: 1 })
      await cursors.ack({ channel, user: 'ben', name: 'inbox', offset: 1 })
      expect(await rows(channel)).toMatchObject([what, { holds: false, heldFor: null }])
    }
  })

  it('that holds is held anew by an ack that is behind it, and does not go back by it', async () => {
    const cursors = node()
    const channel = await channelWith(5, 'held')
    const key = { channel, user: 'ann', name: 'archive' }
    const held = async () => {
      const [row] = await db.sql<{ offset: number; moved: number; until: number }[]>`
        select "offset", moved, holds_until as until from holdfast.cursors where channel = ${channel}`
      return row ?? { offset: 0, moved: 0, until: 0 }
    }
    await cursors.ack({ ...key, offset: 4 })
    const before = await held()
    await new Promise(resolve => setTimeout(resolve, 5))
    expect(await cursors.ack({ ...key, offset: 1 })).toMatchObject({ offset: 4 })
    const after = await held()
    expect([after.offset, after.moved]).toEqual([4, before.moved])
    expect(after.until).toBeGreaterThan(before.until)
  })

  it('of a user is bounded in number, whichever nodes they are made on, and old ones go on', async () => {
    const nodes = [node({ maxPerUser: 5 }), node({ maxPerUser: 5 }), node({ maxPerUser: 5 })]
    const channel = await channelWith(3)
    const key = (name: string) => ({ channel, user: 'many', name })
    const ends = await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) => nodes[i % 3]?.ack({ ...key(`n${i % 15}`), offset: 1 })),
    )
    const refused = ends.flatMap(end => (end.status === 'rejected' ? [end.reason] : []))
    expect(new Set(refused.map(error => error.code))).toEqual(new Set(['LIMIT_EXCEEDED']))
    const made = await db.sql<{ name: string }[]>`select name from holdfast.cursors where "user" = 'many'`
    expect(made).toHaveLength(5)
    for (const { name } of made)
      expect(await nodes[0]?.ack({ ...key(name), offset: 3 })).toMatchObject({ offset: 3 })
    await expect(nodes[1]?.ack({ ...key('one-more'), offset: 1 })).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
    })
    expect(await nodes[1]?.ack({ channel, user: 'another', name: 'one-more', offset: 1 })).toMatchObject({
      offset: 1,
    })
  })

  it('of a past epoch says so, is not moved by its acks, and is replaced by those of the present one', async () => {
    const own = await testLedger()
    const cursors = node({ url: own.url })
    const key = { channel: 'order:1', user: 'ann', name: 'inbox' }
    for (let n = 0; n < 9; n++)
      await own.ledgers[0].append({ channel: key.channel, type: 'T', data: '1', id: newEventId() })
    const before = own.ledgers[0].epoch
    await cursors.ack({ ...key, offset: 9, epoch: before })
    const [row] = await own.sql<{ epoch: string }[]>`select holdfast.new_epoch() as epoch`
    const after = row?.epoch ?? ''
    expect(await cursors.read(key)).toMatchObject({ offset: 9, epoch: before, head: 9, lag: 9 })
    await expect(cursors.ack({ ...key, offset: 9, epoch: before })).rejects.toMatchObject({
      code: 'POSITION_LOST',
      details: { epoch: after },
    })
    const both = await Promise.allSettled([
      cursors.ack({ ...key, offset: 8, epoch: before }),
      cursors.ack({ ...key, offset: 2, epoch: after }),
      cursors.ack({ ...key, offset: 3 }),
    ])
    expect(both).toMatchObject([
      { status: 'rejected', reason: { code: 'POSITION_LOST' } },
      { status: 'fulfilled', value: { offset: 3, epoch: after } },
      { status: 'fulfilled', value: { offset: 3, epoch: after } },
    ])
    expect(await cursors.read(key)).toMatchObject({ offset: 3, epoch: after, head: 9 })
    await cursors.close()
    await own.close()
  })
})

describe('a place of a newer epoch', () => {
  it('is not replaced by an older one whose statement has waited for it', async () => {
    const own = await testLedger()
    const channel = 'order:1'
    for (let n = 0; n < 9; n++)
      await own.ledgers[0].append({ channel, type: 'T', data: '1', id: newEventId() })
    const partition = own.ledgers[0].partitionOf(channel)
    const slow = connectPostgres(own.url, { max: 1, applicationName: 'slow' })
    const moved = (sql: Sql, offset: number) => sql`
      select outcomes from holdfast.move_cursors(
        ${`{${partition}}`}::int[], ${`{${channel}}`}::text[], '{ann}', '{inbox}', ${`{${offset}}`}::bigint[], '{""}', '{null}', 10)`
    await moved(own.sql, 1)
    let late: Promise<unknown> | undefined
    await own.sql.begin(async tx => {
      await tx`select from holdfast.cursors for update`
      // Reads the old epoch, then waits for the row.
      late = moved(slow, 8).then(
        () => 'moved',
        (error: { code: string }) => error.code,
      )
      await waiting(own.sql, 'slow')
      await tx`select holdfast.new_epoch()`
      await tx`update holdfast.cursors set epoch = (select epoch from holdfast.ledger), "offset" = 2`
    })
    expect(await late).toBe('HF001')
    expect(
      await own.sql`
      select "offset", c.epoch = l.epoch as present from holdfast.cursors as c, holdfast.ledger as l`,
    ).toEqual([{ offset: 2, present: true }])
    await slow.end()
    await own.close()
  })
})

async function waiting(sql: Sql, name: string): Promise<void> {
  for (;;) {
    const found = await sql`
      select from pg_stat_activity where application_name = ${name} and wait_event_type = 'Lock'`
    if (found.length > 0) return
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

describe('under load from two nodes', () => {
  /** Acks at random, many at once, until `count` are answered. */
  async function storm(channels: readonly string[], count: number): Promise<void> {
    const seed = Math.floor(Math.random() * 2 ** 32)
    const random = seeded(seed)
    const nodes = [node({ logger }), node({ logger })]
    const users = Array.from({ length: 10 }, (_, i) => `user-${i}`)
    const highest = new Map<string, number>()
    const pick = <T>(of: readonly T[]) => of[Math.floor(random() * of.length)] as T
    for (let done = 0; done < count; done += 500) {
      await Promise.all(
        Array.from({ length: 500 }, async () => {
          const [channel, user, offset] = [pick(channels), pick(users), Math.floor(random() * 51)]
          const key = `${channel} ${user}`
          highest.set(key, Math.max(highest.get(key) ?? 0, offset))
          const place = await pick(nodes).ack({ channel, user, name: 'inbox', offset, epoch })
          expect(place.offset, `seed ${seed}`).toBeGreaterThanOrEqual(offset)
          expect(place.offset, `seed ${seed}`).toBeLessThanOrEqual(highest.get(key) ?? 0)
        }),
      )
    }
    for (const [key, offset] of highest) {
      const [channel = '', user = ''] = key.split(' ')
      const state = await nodes[0]?.read({ channel, user, name: 'inbox' })
      expect(state, `seed ${seed}`).toMatchObject({ offset, head: 50 })
    }
    expect(troubles.splice(0), `seed ${seed}`).toEqual([])
  }
  const channels = () => Promise.all(Array.from({ length: 8 }, () => channelWith(50)))

  it('10,000 acks in every order neither fail, nor go back, nor are answered too early', async () => {
    await storm(await channels(), 10_000)
  })

  it('rows are taken in one order, so that no two flushes wait for each other', async () => {
    // Each row takes its time, so the flushes of both nodes are in the middle of their rows together.
    await db.sql.unsafe(`
      create function public.dawdle() returns trigger language plpgsql
        as 'begin perform pg_sleep(0.001); return new; end';
      create trigger dawdle before insert or update on holdfast.cursors
        for each row execute function public.dawdle()`)
    await storm(await channels(), 4_000)
    await db.sql.unsafe('drop function public.dawdle() cascade')
  })

  it('what was answered stays, and nothing moves back, while a raw writer takes rows in the wrong order', async () => {
    const cursors = node()
    const channel = await channelWith(20)
    const keys = Array.from({ length: 6 }, (_, i) => ({ channel, user: `u${i}`, name: 'inbox' }))
    await Promise.all(keys.map(key => cursors.ack({ ...key, offset: 1 })))
    let acks: Promise<{ offset: number }[]> = Promise.resolve([])
    // Holds the last row and then wants the first: one of the two is thrown out. Where it is the flush, it is repeated.
    const raw = db.sql.begin(async tx => {
      await tx`select from holdfast.cursors where channel = ${channel} and "user" = 'u5' for update`
      acks = Promise.all(keys.map(key => cursors.ack({ ...key, offset: 20 })))
      await waiting(db.sql, 'holdfast-cursors')
      await tx`select from holdfast.cursors where channel = ${channel} and "user" = 'u0' for update`
    })
    await raw.catch(error => expect(error).toMatchObject({ code: '40P01' }))
    expect((await acks).map(place => place.offset)).toEqual([20, 20, 20, 20, 20, 20])
  })
})

describe('the role of a node', () => {
  it('may move cursors, and read them', async () => {
    const login = `node_${newEventId().replaceAll('-', '')}`
    await db.sql.unsafe(`create role ${login} login password 'secret' in role holdfast_runtime`)
    const url = new URL(db.url)
    url.username = login
    url.password = 'secret'
    const cursors = node({ url: url.href })
    const channel = await channelWith(2)
    expect(await cursors.ack({ channel, user: 'ann', name: 'inbox', offset: 2 })).toMatchObject({ offset: 2 })
    expect(await cursors.read({ channel, user: 'ann', name: 'inbox' })).toMatchObject({ offset: 2, head: 2 })
    await cursors.close()
    await db.sql.unsafe(`drop role ${login}`)
  })
})
