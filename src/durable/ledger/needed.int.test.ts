import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeDelivery } from '../../../test/support/deliveries.ts'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { seeded } from '../../../test/support/seeded.ts'
import { until } from '../../../test/support/until.ts'
import { namespaceOf, newEventId } from '../../domain/index.ts'
import type { Logger } from '../../platform/index.ts'
import type { Ledger } from './ledger.ts'
import { startRetention } from './retention.ts'
import { retentionStatus } from './retention-status.ts'

let db: TestLedger
let ledger: Ledger
const channel = 'order:1'
let partition: number

beforeEach(async () => {
  db = await testLedger()
  ;[ledger] = db.ledgers
  partition = ledger.partitionOf(channel)
})
afterEach(() => db.close())

const newSeed = () => Number(process.env['HOLDFAST_TEST_SEED'] ?? Math.floor(Math.random() * 1e9))

const append = (name: string, count: number) =>
  Promise.all(
    Array.from({ length: count }, () =>
      ledger.append({ channel: name, type: 'T', data: '1', id: newEventId() }),
    ),
  )
const declare = (group: string, namespaces: string, mode = 'ordered') =>
  db.sql`select holdfast.declare_group(${group}, ${mode}, ${namespaces}::text[], 'beginning')`
const settle = (group: string, position: number) =>
  db.sql`update holdfast.group_partitions set position = ${position}
         where "group" = ${group} and partition = ${partition}`
async function remove(through = 1e9, limit = 1_000): Promise<number> {
  const [row] = await db.sql<{ removed: number }[]>`
    select holdfast.remove_events(${ledger.epoch}, ${partition}, ${channel}, ${through}, ${limit}) as removed`
  return row?.removed ?? 0
}
const floor = async (name = channel) => (await ledger.channelHeads([name])).get(name)?.floor
const holdBy = (name: string, offset: number, more = 'null', epoch = ledger.epoch) =>
  db.sql.unsafe(`
    insert into holdfast.cursors (partition, channel, "user", name, "offset", epoch, moved, holds, holds_until)
    values (${partition}, '${channel}', 'ann', '${name}', ${offset}, '${epoch}', 1, true, ${more})
    on conflict (partition, channel, "user", name) do update set "offset" = excluded."offset"`)

describe('retention keeps', () => {
  it('what a group of the namespace has not settled, and asks no other group', async () => {
    await append(channel, 10)
    await declare('all', '{order,chat}')
    await declare('other', '{chat}')
    expect(await remove()).toBe(0)
    await settle('all', 4)
    expect(await remove(6)).toBe(4)
    expect(await floor()).toBe(4)
    await declare('everything', null as unknown as string, 'competing')
    await settle('all', 9)
    expect(await remove()).toBe(0)
    await db.sql`insert into holdfast.group_settled select 'everything', ${partition}, p from generate_series(6, 9) as p`
    expect(await remove()).toBe(0)
    await settle('everything', 10)
    expect(await remove()).toBe(5)
    await settle('all', 10)
    expect([await remove(), await floor()]).toEqual([1, 10])
  })

  it('all of it for a group that has not heard of the epoch yet', async () => {
    await append(channel, 3)
    await declare('all', '{order}')
    await settle('all', 3)
    await db.sql`update holdfast.group_partitions set epoch = 'another'`
    expect(await remove()).toBe(0)
  })

  it('an open delivery and what comes behind it, until it is settled', async () => {
    await append(channel, 10)
    const states = ['waiting', 'retrying', 'queued', 'parked']
    for (const [i, state] of states.entries())
      await writeDelivery(db.sql, { consumer: `rule/${state}`, channel, offset: 4 + i, state })
    await writeDelivery(db.sql, { consumer: 'rule/ended', channel, offset: 1, state: 'done' })
    await writeDelivery(db.sql, { consumer: 'rule/ended', channel, offset: 2, state: 'discarded' })
    expect(await remove()).toBe(3)
    for (const state of states) {
      await db.sql`update holdfast.deliveries set state = 'discarded' where state = ${state}`
      await remove()
    }
    expect(await floor()).toBe(10)
  })

  it('what a holding cursor has not acknowledged, unless it has expired, lies in another epoch or holds nothing', async () => {
    await append(channel, 10)
    await holdBy('tv', 6)
    await holdBy('phone', 3)
    await holdBy('gone', 1, '1000')
    await holdBy('before', 1, 'null', 'another')
    await db.sql`
      insert into holdfast.cursors (partition, channel, "user", name, "offset", epoch, moved)
      values (${partition}, ${channel}, 'ann', 'idle', 0, ${ledger.epoch}, 1)`
    expect(await remove()).toBe(3)
    await holdBy('phone', 8)
    expect(await remove()).toBe(3)
    await db.sql`update holdfast.cursors set holds_until = 5 where name = 'tv'`
    expect([await remove(), await floor()]).toEqual([2, 8])
  })
})

it('the database and the gateway agree on the namespace of every channel', async () => {
  const seed = newSeed()
  const random = seeded(seed)
  const names = Array.from({ length: 300 }, () =>
    Array.from({ length: 1 + Math.floor(random() * 6) }, () => '$:a;'[Math.floor(random() * 4)]).join(''),
  )
  for (const name of names) {
    const [row] = await db.sql`select holdfast.namespace_of(${name}) as namespace`
    expect([seed, name, row?.['namespace']]).toEqual([seed, name, namespaceOf(name)])
  }
})

it('under appends, acks, settling, parking and redriving at once nothing is removed that is still needed', async () => {
  const seed = newSeed()
  const random = seeded(seed)
  const upTo = (n: number) => Math.floor(random() * n)
  await declare('ordered', '{order}')
  await declare('competing', '{order}', 'competing')
  await holdBy('tv', 0)
  let running = true
  let broken: unknown
  /** A worker as the groups are: its place and its deliveries move in one transaction, and it has read what it settles. */
  const work = async (group: string) => {
    let place = 0
    while (!broken && (running || place < 600)) {
      const { through } = await ledger.readPartition(partition, place + 1, 1 + upTo(20))
      if (through <= place) continue
      const { events } = await ledger.readPartition(partition, place + 1, through - place)
      if (events.length !== through - place)
        throw new Error(`seed ${seed}: ${group} misses some after ${place}`)
      await db.sql.begin(async tx => {
        await tx`update holdfast.group_partitions set position = ${through}
                 where "group" = ${group} and partition = ${partition}`
        const parked = events.filter(() => random() < 0.05)
        for (const { position, offset, id } of parked) {
          await tx`
            insert into holdfast.deliveries (consumer, partition, position, channel, "offset", event_id, event_type,
                                             state, created, updated)
            values (${`group/${group}`}, ${partition}, ${position}, ${channel}, ${offset}, ${id}, 'T', 'parked', 1, 1)`
        }
      })
      place = through
    }
  }
  const settleParked = async () => {
    while (running) {
      const open = await db.sql<{ id: number; found: number }[]>`
        select d.id, (select count(*) from holdfast.events as e
                      where e.partition = d.partition and e.position = d.position) as found
        from holdfast.deliveries as d where d.state = 'parked' order by random() limit 5`
      for (const { id, found } of open) {
        if (found !== 1) throw new Error(`seed ${seed}: the event of an open delivery is gone`)
        await db.sql`update holdfast.deliveries set state = 'done' where id = ${id}`
      }
    }
  }
  const ack = async () => {
    let offset = 0
    while (!broken && (running || offset < 600)) {
      const page = await ledger.readChannel(channel, { since: offset, limit: 1 + upTo(30) })
      if (page.events.length > 0 && page.events[0]?.offset !== offset + 1)
        throw new Error(`seed ${seed}: the cursor at ${offset} misses what follows`)
      offset = page.events.at(-1)?.offset ?? offset
      await holdBy('tv', offset)
    }
  }
  const empty = async () => {
    while (running) await remove(1e9, 1 + upTo(40))
  }
  const guarded = (task: Promise<void>) =>
    task.catch(error => {
      broken ??= error
      running = false
    })
  const tasks = [work('ordered'), work('competing'), settleParked(), ack(), empty(), empty()].map(guarded)
  for (let n = 0; n < 60 && running; n++) await append(channel, 10)
  running = false
  await Promise.all(tasks)
  expect(broken).toBeUndefined()
  await db.sql`update holdfast.deliveries set state = 'done'`
  await remove()
  expect(await ledger.readChannel(channel, { limit: 1 })).toEqual({ head: 600, floor: 600, events: [] })
})

it('the loop waits for who holds, spares itself the others’ statements, and says after a while whom it waits for', async () => {
  await append(channel, 20)
  await append('order:2', 20)
  await declare('stuck', '{order}')
  const warnings: object[] = []
  const logger = {
    info: () => undefined,
    debug: () => undefined,
    warn: (about: object) => warnings.push(about),
  } as unknown as Logger
  const namespaces = { order: { tier: 'durable' as const, retention: { maxAgeSeconds: 0, maxEvents: 5 } } }
  const retention = startRetention({ url: db.url, namespaces, intervalMs: 10, patienceMs: 300, logger })
  try {
    await until('it is said', () => warnings.length > 0)
    expect(warnings).toEqual([
      expect.objectContaining({ namespace: 'order', holder: 'group/stuck', minutes: 0 }),
    ])
    expect(await floor()).toBe(0)
    expect(await retentionStatus(db.sql, namespaces)).toEqual([
      {
        namespace: 'order',
        maxAgeSeconds: 0,
        maxEvents: 5,
        due: { channels: 2, events: 30 },
        heldBy: [{ holder: 'group/stuck', channels: 2, since: expect.any(Number) }],
      },
    ])
    await db.sql`update holdfast.group_partitions set position = 1000`
    await writeDelivery(db.sql, { consumer: 'rule/slow', channel, offset: 4 })
    await until(
      'the free ones are gone',
      async () => (await floor()) === 3 && (await floor('order:2')) === 15,
    )
    await until('the delivery is named', () => warnings.length > 1)
    expect(warnings[1]).toMatchObject({ holder: 'open deliveries of rule/slow', channel })
    await db.sql`update holdfast.deliveries set state = 'done'`
    await until('the rest is gone', async () => (await floor()) === 15)
    expect(warnings).toHaveLength(2)
    expect((await retentionStatus(db.sql, namespaces))[0]).toMatchObject({
      due: { channels: 0, events: 0 },
      heldBy: [],
    })
  } finally {
    await retention.stop()
  }
})
