import { afterEach, beforeEach, expect, test } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { tcpProxy } from '../../../test/support/tcp-proxy.ts'
import { newEventId } from '../../domain/index.ts'
import { connectPostgres } from '../../platform/index.ts'
import type { Ledger } from './ledger.ts'
import { startRetention } from './retention.ts'

let db: TestLedger
let ledger: Ledger

beforeEach(async () => {
  db = await testLedger()
  ;[ledger] = db.ledgers
})
afterEach(() => db.close())

const event = (channel: string, data = '1', id = newEventId()) => ({ channel, type: 'T', data, id })
const fill = (channel: string, count: number) =>
  Promise.all(Array.from({ length: count }, (_, i) => ledger.append(event(channel, String(i + 1)))))

async function remove(channel: string, through: number, limit = 1_000): Promise<number> {
  const [row] = await db.sql<{ removed: number }[]>`
    select holdfast.remove_events(${ledger.epoch}, ${ledger.partitionOf(channel)}, ${channel}, ${through}, ${limit}) as removed`
  return row?.removed ?? 0
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const limit = performance.now() + 20_000
  while (!(await condition())) {
    if (performance.now() > limit) throw new Error('the condition has not come true')
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

test('removal goes from the oldest in steps, and the floor tells it', async () => {
  const channel = 'order:1'
  await fill(channel, 10)
  expect(await remove(channel, 4, 3)).toBe(3)
  expect(await ledger.readChannel(channel, { limit: 2 })).toMatchObject({
    floor: 3,
    head: 10,
    events: [{ offset: 4 }, { offset: 5 }],
  })
  expect(await remove(channel, 4, 3)).toBe(1)
  expect(await remove(channel, 4, 3)).toBe(0)
  expect(await ledger.channelHeads([channel])).toEqual(new Map([[channel, { head: 10, floor: 4 }]]))
  expect(await ledger.readPartition(ledger.partitionOf(channel), 1, 100)).toMatchObject({
    through: 10,
    events: { length: 6 },
  })
})

test('after the last event is removed neither its offset nor its position is given again', async () => {
  const channel = 'order:1'
  const partition = ledger.partitionOf(channel)
  await fill(channel, 5)
  expect(await remove(channel, 1e9)).toBe(5)
  expect(await ledger.readChannel(channel, { limit: 9 })).toEqual({ head: 5, floor: 5, events: [] })
  expect(await ledger.readPartition(partition, 1, 9)).toEqual({ events: [], from: 1, through: 5 })
  expect(await ledger.partitionHeads([partition])).toEqual(new Map([[partition, 5]]))
  // On both nodes: one knows the heads from before, the other has to find them.
  expect(await db.ledgers[1].append(event(channel))).toMatchObject({ event: { offset: 6, position: 6 } })
  expect(await ledger.append(event(channel))).toMatchObject({ event: { offset: 7, position: 7 } })
  expect(await ledger.append({ ...event(channel), expectedOffset: 7 })).toMatchObject({
    event: { offset: 8 },
  })
  expect(await remove(channel, 1e9)).toBe(3)
  expect(await ledger.append({ ...event(channel), expectedOffset: 8 })).toMatchObject({
    event: { offset: 9, position: 9 },
  })
})

test('appends go on while the same channel is emptied under them', async () => {
  const channel = 'order:1'
  let running = true
  const emptying = (async () => {
    while (running) await remove(channel, 1e9, 50)
  })()
  const outcomes = await Promise.all(
    Array.from({ length: 1_500 }, (_, i) =>
      (i % 2 ? ledger : db.ledgers[1]).append(event(channel, String(i))),
    ),
  )
  running = false
  await emptying
  const offsets = outcomes.map(outcome => (outcome.kind === 'stored' ? outcome.event.offset : 0))
  expect(offsets.sort((a, b) => a - b)).toEqual(Array.from({ length: 1_500 }, (_, i) => i + 1))
  expect((await ledger.channelHeads([channel])).get(channel)?.head).toBe(1_500)
})

test('retention of another epoch removes nothing', async () => {
  await fill('order:1', 3)
  const statement = db.sql`select holdfast.remove_events('other', ${ledger.partitionOf('order:1')}, 'order:1', 3)`
  await expect(statement).rejects.toMatchObject({ code: 'HF001' })
  expect((await ledger.readChannel('order:1', { limit: 9 })).events).toHaveLength(3)
})

test('the loop keeps the newest of each channel of a namespace, and touches no other namespace', async () => {
  const small = Array.from({ length: 30 }, (_, i) => `chat:${i}`)
  await Promise.all(
    [...small, 'chat:big', '$chat:private', 'chats:1', 'other:1', 'plain'].map(channel =>
      fill(channel, channel === 'chat:big' ? 2_500 : 7),
    ),
  )
  const retention = startRetention({
    url: db.url,
    namespaces: {
      chat: { tier: 'durable', retention: { maxAgeSeconds: 0, maxEvents: 5 } },
      other: { tier: 'durable', retention: { maxAgeSeconds: 0, maxEvents: 0 } },
      '': { tier: 'durable', retention: { maxAgeSeconds: 0, maxEvents: 6 } },
    },
    intervalMs: 20,
  })
  try {
    await until(async () => {
      const heads = await ledger.channelHeads([...small, 'chat:big', '$chat:private', 'plain'])
      return [...heads.values()].every(({ floor }) => floor > 0) && heads.get('chat:big')?.floor === 2_495
    })
    for (const channel of [...small, '$chat:private']) {
      expect([channel, await ledger.readChannel(channel, { limit: 0 })]).toEqual([
        channel,
        { floor: 2, head: 7, events: [] },
      ])
    }
    expect(await ledger.channelHeads(['plain', 'other:1', 'chats:1'])).toEqual(
      new Map([
        ['plain', { floor: 1, head: 7 }],
        ['other:1', { floor: 0, head: 7 }],
        ['chats:1', { floor: 0, head: 7 }],
      ]),
    )
  } finally {
    await retention.stop()
  }
})

test('the loop removes what is too old, and nothing younger', async () => {
  await fill('chat:1', 3)
  // An age that only a database clock ahead by an hour would call old: made so in the stored rows.
  await db.sql.unsafe(`
    alter table holdfast.events disable trigger only_erasure;
    update holdfast.events set time = time - 3600000;
    alter table holdfast.events enable trigger only_erasure`)
  await fill('chat:1', 2)
  const retention = startRetention({
    url: db.url,
    namespaces: { chat: { tier: 'durable', retention: { maxAgeSeconds: 600, maxEvents: 0 } } },
    intervalMs: 20,
  })
  try {
    await until(async () => (await ledger.channelHeads(['chat:1'])).get('chat:1')?.floor === 3)
    expect((await ledger.readChannel('chat:1', { limit: 9 })).events.map(({ offset }) => offset)).toEqual([
      4, 5,
    ])
  } finally {
    await retention.stop()
  }
})

test('two nodes run the loop, and it ends at once when it is stopped', async () => {
  await fill('chat:1', 100)
  const options = {
    url: db.url,
    namespaces: { chat: { tier: 'durable' as const, retention: { maxAgeSeconds: 0, maxEvents: 1 } } },
    intervalMs: 3_600_000,
  }
  const loops = [startRetention(options), startRetention({ ...options, intervalMs: 10 })]
  await until(async () => (await ledger.channelHeads(['chat:1'])).get('chat:1')?.floor === 99)
  await Promise.all(loops.map(loop => loop.stop()))
})

test('a node that hangs in the middle of a pass is followed by another', async () => {
  await fill('order:1', 5)
  const proxy = await tcpProxy(db.url)
  const retention = { maxAgeSeconds: 0, maxEvents: 2 }
  const common = { namespaces: { order: { tier: 'durable' as const, retention } }, intervalMs: 50 }
  // It waits for a row, loses its route meanwhile, and never learns that it could go on.
  const blocked = Promise.withResolvers<void>()
  const blocking = db.sql.begin(async tx => {
    await tx`select from holdfast.events for update`
    await blocked.promise
  })
  const hanging = startRetention({ ...common, url: proxy.through(db.url), silentMs: 300 })
  const watching = connectPostgres(db.url, { max: 1, applicationName: 'watch' })
  await until(async () => {
    const waiting = await watching`
      select from pg_stat_activity
      where application_name = 'holdfast-retention' and datname = current_database() and wait_event_type = 'Lock'`
    return waiting.length === 1
  })
  proxy.swallow({ connections: 'present' })
  blocked.resolve()
  await blocking
  await fill('order:1', 5)
  const next = startRetention({ ...common, url: db.url })
  await until(async () => (await ledger.channelHeads(['order:1'])).get('order:1')?.floor === 8)
  await Promise.all([hanging.stop(), next.stop(), watching.end()])
  await proxy.close()
})
