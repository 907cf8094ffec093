import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import {
  append,
  type DurableNodes,
  dense,
  durable,
  durableNodes,
  listen,
} from '../../../test/support/durable-nodes.ts'
import { tcpProxy } from '../../../test/support/tcp-proxy.ts'
import { until } from '../../../test/support/until.ts'
import { HoldfastError, newEventId } from '../../domain/index.ts'
import { connectPostgres, createLogger, type Sql } from '../../platform/index.ts'
import type { OpenTier } from '../log-access.ts'
import { type OutboxRelay, type OutboxRelayOptions, startOutboxRelay } from './outbox-relay.ts'

let nodes: DurableNodes
/** The application's connections. */
let app: Sql
const relays: OutboxRelay[] = []
let made = 0

beforeAll(async () => {
  nodes = await durableNodes()
  app = connectPostgres(nodes.database.url, { max: 4, applicationName: 'holdfast-test' })
})
afterEach(async () => {
  await Promise.all(relays.splice(0).map(relay => relay.stop()))
  await nodes.database.sql`delete from holdfast.outbox`
})
afterAll(async () => {
  await app.end()
  await nodes.close()
})

function relay(tier: OpenTier = nodes.a, options: Partial<OutboxRelayOptions> = {}): OutboxRelay {
  const started = startOutboxRelay({
    tier,
    url: nodes.database.url,
    namespaces: { order: durable, room: { ...durable, tier: 'realtime' } },
    undeclaredSeconds: 0,
    idleMs: 50,
    logger: createLogger(process.env['HOLDFAST_TEST_LOG'] ?? 'silent'),
    ...options,
  })
  relays.push(started)
  return started
}

const newChannel = () => `order:${++made}`
const publish = (sql: Pick<Sql, 'unsafe'>, channel: string, ...numbers: number[]) =>
  sql.unsafe(
    `select holdfast_publish('${channel}', 'Numbered', n::text) from unnest('{${numbers}}'::int[]) as n`,
  )
const recorded = async (channel: string) => {
  const { events } = await nodes.bare.readChannel(channel, { limit: 10_000 })
  expect(events.map(event => event.offset)).toEqual(dense(1, events.length))
  return events.map(event => Number(event.data))
}
const waiting = async () => {
  const [row] = await nodes.database.sql<{ count: number }[]>`
    select count(*) as count from holdfast.outbox where refused is null`
  return row?.count ?? 0
}
const empty = () => until('the outbox is empty', async () => (await waiting()) === 0)
const relayWaits = async () => {
  const found = await nodes.database.sql`
    select from pg_stat_activity where datname = current_database()
    and application_name = 'holdfast-outbox' and wait_event_type = 'Lock'`
  return found.length > 0
}
const refusals = () =>
  nodes.database.sql<{ channel: string; refused: string }[]>`
    select channel, refused from holdfast.outbox where refused is not null order by id`

test('what was committed is recorded in its order, under its ids, and reaches subscribers of all nodes', async () => {
  const channel = newChannel()
  const subscribers = [await listen(nodes.a, channel), await listen(nodes.b, channel)]
  const ids = [newEventId(), newEventId()]
  relay()
  await app.begin(async tx => {
    for (const [i, id] of ids.entries())
      await tx`select holdfast_publish(${channel}, 'Numbered', ${String(i)}, ${id})`
  })
  for (const { outlet } of subscribers) {
    await until('both are delivered', () => outlet.offsets().length === 2)
    expect(outlet.offsets()).toEqual([1, 2])
  }
  const { events } = await nodes.bare.readChannel(channel, { limit: 10 })
  expect(events).toMatchObject([
    { id: ids[0], type: 'Numbered', data: '0', meta: null },
    { id: ids[1], type: 'Numbered', data: '1', meta: null },
  ])
  await empty()
})

test('what was rolled back, whole or to a savepoint, is not recorded', async () => {
  const channel = newChannel()
  relay()
  await app.begin(async tx => {
    await publish(tx, channel, 1)
    await tx
      .savepoint(async inner => {
        await publish(inner, channel, 2)
        throw new Error('back')
      })
      .catch(() => undefined)
    await publish(tx, channel, 3)
  })
  const undone = app.begin(async tx => {
    await publish(tx, channel, 4)
    throw new Error('back')
  })
  await expect(undone).rejects.toThrow('back')
  await publish(app, channel, 5)
  await until('all are there', async () => (await recorded(channel)).length === 3)
  expect(await recorded(channel)).toEqual([1, 3, 5])
})

test('two transactions on one channel that commit in the other order are both recorded', async () => {
  const channel = newChannel()
  relay()
  await app.begin(async first => {
    await publish(first, channel, 1)
    await app.begin(async second => {
      await publish(second, channel, 2)
    })
    await until('the second one is recorded', async () => (await recorded(channel)).length === 1)
    await publish(first, channel, 3)
  })
  await until('the first one is recorded too', async () => (await recorded(channel)).length === 3)
  expect(await recorded(channel)).toEqual([2, 1, 3])
})

test('an open transaction keeps neither an append nor another transaction of its channel waiting', async () => {
  const channel = newChannel()
  relay()
  await app.begin(async open => {
    await publish(open, channel, 0)
    for (let n = 1; n <= 20; n++) {
      const { offset } = await nodes.b.append({ channel, type: 'Numbered', data: String(n) })
      expect(offset).toBe(n)
    }
    await publish(app, channel, 21)
    await until('the other one is recorded', async () => (await recorded(channel)).length === 21)
  })
  await until('all are there', async () => (await recorded(channel)).length === 22)
  expect(await recorded(channel)).toEqual([...dense(1, 21), 0])
})

test('an event of a namespace that only another node declares is left to that node, and holds back its channel only', async () => {
  const channel = newChannel()
  await app`select holdfast_publish('later:1', 'Numbered', '1')`
  await publish(app, channel, 1)
  // A node of the version before, alone at first.
  relay(nodes.a, { undeclaredSeconds: 600 })
  await until('the other channel goes on', async () => (await recorded(channel)).length === 1)
  expect(await refusals()).toEqual([])
  relay(nodes.b, { undeclaredSeconds: 600, namespaces: { order: durable, later: durable } })
  await until('the new node records it', async () => (await recorded('later:1')).length === 1)
})

test('what the ledger can never take is set aside with the reason, and keeps nobody waiting', async () => {
  const channel = newChannel()
  const id = newEventId()
  await nodes.bare.append({ channel, type: 'Numbered', data: '1', id })
  const check: OutboxRelayOptions['check'] = async (_, type, value) => {
    if (type === 'Bad') throw new HoldfastError('PAYLOAD_INVALID', `expected less than ${value}\u0000`)
    if (type === 'Broken') throw new TypeError('cannot read properties of undefined')
  }
  await app`select holdfast_publish(${channel}, 'Bad', '7')`
  await app`select holdfast_publish('nobody:1', 'Numbered', '7')`
  await app`select holdfast_publish('room:1', 'Numbered', '7')`
  await app`select holdfast_publish(${channel}, 'Broken', '7')`
  await app`select holdfast_publish(${channel}, 'Numbered', '7', ${id})`
  await nodes.database.sql`
    insert into holdfast.outbox (channel, type, data, event_id) values
    (${channel}, 'Numbered', 'no json', ${newEventId()}), ('a b', 'Numbered', '1', ${newEventId()}),
    (${channel}, '', '1', ${newEventId()})`
  await publish(app, channel, 2)
  relay(nodes.a, { check })
  await until('the good one is recorded', async () => (await recorded(channel)).length === 2)
  await empty()
  expect(await refusals()).toEqual([
    { channel, refused: 'expected less than 7' },
    { channel: 'nobody:1', refused: 'the namespace "nobody" is not declared' },
    { channel: 'room:1', refused: 'room:1 is not durable' },
    { channel, refused: 'cannot read properties of undefined' },
    { channel, refused: `the id ${id} belongs to another event of this channel (offset 1)` },
    { channel, refused: 'the data is no JSON' },
    { channel: 'a b', refused: 'the channel has no valid name' },
    { channel, refused: 'expected a type of 1 to 255 characters, got 0' },
  ])
})

test('an id that is recorded already with the same content is a success, once', async () => {
  const channel = newChannel()
  const id = newEventId()
  relay()
  for (let n = 0; n < 3; n++) await app`select holdfast_publish(${channel}, 'Numbered', '1', ${id})`
  await empty()
  expect(await recorded(channel)).toEqual([1])
  await app`select holdfast_publish(${channel}, 'Numbered', '1', ${id})`
  await empty()
  expect(await recorded(channel)).toEqual([1])
  expect(await refusals()).toEqual([])
})

test('a check that cannot tell now keeps its channel in order and nobody else waiting', async () => {
  const [held, free] = [newChannel(), newChannel()]
  let away = true
  await publish(app, held, 1, 2)
  await publish(app, free, 1)
  relay(nodes.a, {
    check: (channel, _, value) => {
      if (away && channel === held && value === 1) throw new HoldfastError('DEPENDENCY_FAILED', 'away')
    },
  })
  await until('the other channel goes on', async () => (await recorded(free)).length === 1)
  expect(await recorded(held)).toEqual([])
  away = false
  await until('the held one follows', async () => (await recorded(held)).length === 2)
  expect(await recorded(held)).toEqual([1, 2])
})

test('a row that a person has open keeps its channel in order and nobody else waiting', async () => {
  const [held, free] = [newChannel(), newChannel()]
  await publish(app, held, 1, 2, 3)
  await publish(app, free, 1)
  await app.begin(async tx => {
    await tx`select from holdfast.outbox where channel = ${held} and data = '2' for update`
    relay()
    await until('the other channel goes on', async () => (await recorded(free)).length === 1)
    expect(await recorded(held)).toEqual([])
  })
  await until('the held one follows', async () => (await recorded(held)).length === 3)
  expect(await recorded(held)).toEqual([1, 2, 3])
})

test('however much of one channel has to wait, others are not kept waiting behind it', async () => {
  const [held, open, free] = [newChannel(), newChannel(), newChannel()]
  let away = true
  await publish(app, held, ...dense(1, 700))
  await publish(app, open, ...dense(1, 700))
  await publish(app, free, ...dense(1, 700))
  await app.begin(async tx => {
    await tx`select from holdfast.outbox where channel = ${open} and data = '1' for update`
    relay(nodes.a, {
      check: channel => {
        if (away && channel === held) throw new HoldfastError('DEPENDENCY_FAILED', 'away')
      },
    })
    await until('the other channel goes on', async () => (await recorded(free)).length === 700)
    await publish(app, free, 701)
    await until('it still does', async () => (await recorded(free)).length === 701)
    expect([await recorded(held), await recorded(open)]).toEqual([[], []])
  })
  await until('the open one follows', async () => (await recorded(open)).length === 700)
  away = false
  await empty()
  for (const channel of [held, open]) expect(await recorded(channel)).toEqual(dense(1, 700))
})

test('what Postgres will not store lets nothing overtake a row of its channel that a person has open', async () => {
  const [held, other] = [newChannel(), newChannel()]
  await nodes.database.sql`alter table holdfast.events add constraint no_evil check (type <> 'Evil')`
  await publish(app, held, 1)
  await publish(app, other, 1)
  await app`select holdfast_publish(${other}, 'Evil', '2')`
  await publish(app, held, 2)
  await app.begin(async tx => {
    await tx`select from holdfast.outbox where channel = ${held} and data = '1' for update`
    relay()
    await until('the evil one is found', async () => (await refusals()).length === 1)
    await publish(app, other, 3)
    await until('the other channel goes on', async () => (await recorded(other)).length === 2)
  })
  await empty()
  await nodes.database.sql`alter table holdfast.events drop constraint no_evil`
  expect([await recorded(held), await recorded(other)]).toEqual([
    [1, 2],
    [1, 3],
  ])
})

test('one event that Postgres will not store is found among the others', async () => {
  const channel = newChannel()
  await nodes.database.sql`alter table holdfast.events add constraint no_evil check (type <> 'Evil')`
  await publish(app, channel, ...dense(1, 12))
  await app`select holdfast_publish(${channel}, 'Evil', '13')`
  await publish(app, channel, ...dense(14, 40))
  relay()
  await empty()
  await nodes.database.sql`alter table holdfast.events drop constraint no_evil`
  expect(await recorded(channel)).toEqual(dense(1, 40).filter(n => n !== 13))
  expect(await refusals()).toMatchObject([{ channel, refused: expect.stringContaining('no_evil') }])
})

test('large ones and many are relayed in parts, in order', async () => {
  const channel = newChannel()
  await publish(app, channel, ...dense(1, 1_200))
  for (const size of [700_000, 700_000, 5_000_000, 10]) {
    await app`select holdfast_publish(${channel}, 'Sized', to_json(repeat('x', ${size}::int)))`
  }
  await publish(app, channel, 9_999)
  relay()
  await empty()
  const { events } = await nodes.bare.readChannel(channel, { limit: 2_000 })
  expect(events.map(({ type, data }) => (type === 'Sized' ? data.length : Number(data)))).toEqual([
    ...dense(1, 1_200),
    700_002,
    700_002,
    5_000_002,
    12,
    9_999,
  ])
})

test('several relays record every event once, each channel in order', async () => {
  const channels = Array.from({ length: 8 }, newChannel)
  for (let n = 0; n < 4; n++) relay(n % 2 ? nodes.a : nodes.b)
  const subscribers = await Promise.all(channels.map(channel => listen(nodes.b, channel)))
  await Promise.all(
    channels.map(async channel => {
      for (const n of dense(0, 29)) await publish(app, channel, ...dense(10 * n + 1, 10 * n + 10))
    }),
  )
  await empty()
  for (const [i, channel] of channels.entries()) {
    expect(await recorded(channel)).toEqual(dense(1, 300))
    await until('all are delivered', () => subscribers[i]?.outlet.offsets().length === 300)
    expect(subscribers[i]?.outlet.offsets()).toEqual(dense(1, 300))
  }
})

test('an answer that is lost after the commit doubles nothing, and subscribers get the events all the same', async () => {
  const channel = newChannel()
  const proxy = await tcpProxy(nodes.database.url)
  const subscriber = await listen(nodes.a, channel)
  relay(nodes.a, { url: proxy.through(nodes.database.url) })
  await publish(app, channel, 1)
  await until('it is recorded', async () => (await recorded(channel)).length === 1)
  for (let round = 2; round <= 6; round++) {
    // Held up at the partition's lock, so that what it will say next is that it has committed.
    await app.begin(async tx => {
      await tx`select pg_advisory_xact_lock(1212566596, ${nodes.bare.partitionOf(channel)})`
      await publish(app, channel, round)
      await until('the relay waits for the partition', relayWaits)
      proxy.loseAnswers()
    })
    await until('it is recorded', async () => (await recorded(channel)).length === round)
    proxy.answerAgain()
  }
  expect(proxy.lost()).toBeGreaterThanOrEqual(5)
  await until('all are delivered', () => subscriber.outlet.offsets().length === 6)
  expect(subscriber.outlet.offsets()).toEqual(dense(1, 6))
  expect(await recorded(channel)).toEqual(dense(1, 6))
  await Promise.all(relays.splice(0).map(each => each.stop()))
  await proxy.close()
})

test('another epoch of the ledger is found, and the relay goes on in it', async () => {
  const channel = newChannel()
  relay()
  await publish(app, channel, 1)
  await until('it is recorded', async () => (await recorded(channel)).length === 1)
  await nodes.database.sql`select holdfast.new_epoch()`
  await publish(app, channel, 2)
  await until('it is recorded too', async () => (await recorded(channel)).length === 2)
  expect(await append(nodes.a, channel, 1)).toEqual([3])
})

test('a relay whose Postgres hangs can be stopped, and another one goes on', async () => {
  const channel = newChannel()
  const proxy = await tcpProxy(nodes.database.url)
  const stuck = relay(nodes.a, { url: proxy.through(nodes.database.url) })
  await app.begin(async tx => {
    await tx`select pg_advisory_xact_lock(1212566596, ${nodes.bare.partitionOf(channel)})`
    await publish(app, channel, 1)
    await until('its batch is at the database', relayWaits)
    proxy.swallow({ connections: 'present' })
    await publish(app, channel, 2)
    await stuck.stop()
  })
  relay(nodes.b)
  await until('the other one is at it', async () => (await recorded(channel)).length === 2)
  await proxy.close()
})

test('it works as the runtime role', async () => {
  const login = `node_${newEventId().replaceAll('-', '')}`
  await nodes.database.sql.unsafe(`create role ${login} login password 'secret' in role holdfast_runtime`)
  const url = new URL(nodes.database.url)
  url.username = login
  url.password = 'secret'
  const channel = newChannel()
  relay(nodes.a, { url: url.href })
  await publish(app, channel, 1)
  await app`select holdfast_publish('nobody:1', 'Numbered', '1')`
  await until('it is recorded', async () => (await recorded(channel)).length === 1)
  await until('the other one is refused', async () => (await refusals()).length === 1)
  await Promise.all(relays.splice(0).map(each => each.stop()))
  await nodes.database.sql.unsafe(`drop role ${login}`)
})

test('a relay that is stopped has finished what it had in hand', async () => {
  const channel = newChannel()
  await publish(app, channel, ...dense(1, 2_000))
  const stopped = relay()
  await until('it has begun', async () => (await waiting()) < 2_000)
  await stopped.stop()
  const left = await waiting()
  expect(await recorded(channel)).toEqual(dense(1, 2_000 - left))
  relay(nodes.b)
  await empty()
  expect(await recorded(channel)).toEqual(dense(1, 2_000))
})
