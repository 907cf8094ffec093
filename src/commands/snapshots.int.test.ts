import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type CommandNode,
  type CommandNodes,
  commandNodes,
  type Purse,
  type PurseEvent,
  purseDefinition,
} from '../../test/support/command-nodes.ts'
import { until } from '../../test/support/until.ts'
import { channelPattern, newEventId } from '../domain/index.ts'
import { createLogger } from '../platform/index.ts'
import { SnapshotWriter } from './snapshots.ts'

let nodes: CommandNodes
let names = 0
const fresh = () => `purse:s${++names}` as const

beforeAll(async () => {
  nodes = await commandNodes()
})
afterAll(() => nodes.close())

/** A node that has never seen a channel. */
async function newNode(
  snapshots: { every: number; version: number } | undefined = { every: 10, version: 1 },
) {
  const node = await nodes.node()
  return { ...node, purse: node.commands.aggregate(purseDefinition(snapshots)) }
}

interface Kept {
  version: number
  epoch: string
  offset: number
  state: string
}
const kept = (channel: string) => nodes.database.sql<Kept[]>`
  select version, epoch, "offset", state from holdfast.snapshots where channel = ${channel}`
const keptAt = (channel: string, offset: number) =>
  until(`a snapshot at ${offset}`, async () => (await kept(channel))[0]?.offset === offset)

async function pay({ commands }: CommandNode, channel: string, times: number) {
  for (let i = 0; i < times; i++) await commands.run({ channel, command: 'pay', input: { cents: 1 } })
}

test('after so many events the state is kept, and a node that is new to the channel begins there', async () => {
  const channel = fresh()
  const a = await newNode()
  await pay(a, channel, 9)
  expect(await kept(channel)).toEqual([])
  await pay(a, channel, 1)
  await keptAt(channel, 10)
  await pay(a, channel, 12)
  await keptAt(channel, 20)
  const [snapshot] = await kept(channel)
  expect(JSON.parse(snapshot?.state ?? '')).toEqual({ owner: null, cents: 20, events: 20 })
  // Told apart by what no event says.
  await nodes.database.sql`update holdfast.snapshots set state = '{"owner":"kept","cents":20,"events":20}'`
  const b = await newNode()
  expect(await b.purse.load(channel)).toMatchObject({ state: { owner: 'kept', cents: 22 }, offset: 22 })
  expect(await a.purse.load(channel)).toMatchObject({ state: { owner: null, cents: 22 } })
})

test('a long channel without a snapshot gets one from whoever reads it', async () => {
  const channel = fresh()
  await pay(await newNode({ every: 1_000, version: 1 }), channel, 25)
  const a = await newNode()
  expect((await a.purse.load(channel)).offset).toBe(25)
  await keptAt(channel, 25)
})

test('a snapshot that is wrong is as good as none', async () => {
  const channel = fresh()
  await pay(await newNode(), channel, 10)
  await keptAt(channel, 10)
  const right = { state: { owner: null, cents: 10, events: 10 }, offset: 10 }
  const { sql } = nodes.database
  const [snapshot] = await kept(channel)
  const wrong = [
    sql`update holdfast.snapshots set version = 2 where channel = ${channel}`,
    sql`update holdfast.snapshots set epoch = 'another' where channel = ${channel}`,
    sql`update holdfast.snapshots set "offset" = 11 where channel = ${channel}`,
    sql`update holdfast.snapshots set state = '{"cents":' where channel = ${channel}`,
  ]
  for (const [i, damage] of wrong.entries()) {
    await sql`
      update holdfast.snapshots set version = 1, epoch = ${snapshot?.epoch ?? ''}, "offset" = 10,
             state = '{"owner":"wrong","cents":1,"events":1}'
      where channel = ${channel}`
    expect(await (await newNode()).purse.load(channel), 'the check itself').toMatchObject({
      state: { owner: 'wrong' },
    })
    await damage
    const node = await newNode({ every: 100, version: 1 })
    expect(await node.purse.load(channel), `damage ${i}`).toMatchObject(right)
    await pay(node, channel, 0)
  }
  // Another version's is replaced when it is its turn; an older state never replaces a newer one.
  await sql`update holdfast.snapshots set version = 2, "offset" = 500 where channel = ${channel}`
  await (await newNode()).purse.load(channel)
  await keptAt(channel, 10)
})

test('an erasure removes snapshots, and states that were made before it are kept no more', async () => {
  const channel = fresh()
  const a = await newNode()
  const other = await newNode()
  await a.commands.run({ channel, command: 'open', input: { owner: 'anna' } })
  await pay(a, channel, 9)
  await keptAt(channel, 10)
  expect((await other.purse.load(channel)).state.owner).toBe('anna')
  await nodes.operations.erasure.erase({ channel, event: { offset: 1 }, actor: 'test', reason: 'asked' })
  expect(await kept(channel)).toEqual([])
  // Both know the old state; what they decide in it is recorded, and not kept.
  await pay(a, channel, 10)
  await pay(other, channel, 10)
  expect((await recordedTypes(other, channel))[0]).toBe('holdfast.erased')
  expect((await (await newNode(undefined)).purse.load(channel)).state).toEqual({
    owner: null,
    cents: 29,
    events: 29,
  })
  await until('states are looked at again', async () => (await a.purse.load(channel)).state.owner === null)
  await pay(a, channel, 10)
  const [snapshot] = await until('a new snapshot', async () => {
    const rows = await kept(channel)
    return rows.length > 0 ? rows : undefined
  })
  expect(snapshot?.state).not.toContain('anna')
})

async function recordedTypes({ tier }: CommandNode, channel: string): Promise<string[]> {
  const { events } = await tier.log.ledger.readChannel(channel, { limit: 1_000 })
  return events.map(({ type }) => type)
}

test('nobody can keep a state that an erasure under way has already passed', async () => {
  const channel = fresh()
  const a = await newNode({ every: 2, version: 1 })
  const { ledger } = a.tier.log
  await a.commands.run({ channel, command: 'open', input: { owner: 'anna' } })
  const { sql } = nodes.database
  const partition = ledger.partitionOf(channel)
  await sql.begin(async tx => {
    await tx`select * from holdfast.erase_event(${ledger.epoch}, ${partition}, ${channel}, 1, 'test', 'asked')`
    // Its snapshot waits for the erasure's end, and then finds it.
    await pay(a, channel, 3)
    await until('a writer waits', async () => {
      const [row] = await sql`
        select count(*)::int as n from pg_stat_activity where wait_event = 'advisory' and query like '%write_snapshot%'`
      return row?.['n'] === 1
    })
  })
  await pay(a, channel, 1)
  await until('the writer has ended', async () => {
    const rows =
      await sql`select from pg_stat_activity where query like '%write_snapshot%' and state <> 'idle'
                           and pid <> pg_backend_pid()`
    return rows.length === 0
  })
  expect((await kept(channel)).filter(({ state }) => state.includes('anna'))).toEqual([])
})

test('a channel without its beginning needs a snapshot, and is refused without', async () => {
  const channel = fresh()
  const a = await newNode()
  await pay(a, channel, 12)
  await keptAt(channel, 10)
  const { ledger } = a.tier.log
  const partition = ledger.partitionOf(channel)
  const remove = (through: number) => nodes.database.sql`
    select holdfast.remove_events(${ledger.epoch}, ${partition}, ${channel}, ${through}::bigint)`
  await remove(10)
  const b = await newNode()
  expect(await b.purse.load(channel)).toMatchObject({ state: { cents: 12 }, offset: 12 })
  await remove(11)
  const c = await newNode()
  await expect(c.commands.run({ channel, command: 'pay', input: { cents: 1 } })).rejects.toMatchObject({
    code: 'NOT_AVAILABLE',
    details: { told: expect.stringContaining('up to 11') },
  })
  // Who knows the state goes on.
  expect((await b.commands.run({ channel, command: 'pay', input: { cents: 1 } })).offset).toBe(13)
})

test('an aggregate whose state JSON cannot say works without snapshots', async () => {
  const { commands } = await nodes.node()
  const { commands: definitions } = purseDefinition()
  commands.aggregate({
    pattern: 'purse:{id}',
    initial: { seen: new Set<string>() },
    evolve: (state: { seen: Set<string> }, event: PurseEvent) => ({
      seen: new Set([...state.seen, event.type]),
    }),
    commands: { pay: { decide: (_state: unknown) => ({ type: 'Paid' as const, data: { cents: 1 } }) } },
    snapshots: { every: 1, version: 1 },
  })
  const channel = fresh()
  for (let i = 1; i <= 3; i++)
    expect((await commands.run({ channel, command: 'pay', input: {} })).offset).toBe(i)
  expect(await kept(channel)).toEqual([])
  expect(Object.keys(definitions)).toContain('pay')
})

test('a new epoch makes what nodes know of channels worth nothing', async () => {
  const channel = fresh()
  const a = await newNode()
  await pay(a, channel, 10)
  await keptAt(channel, 10)
  const { sql } = nodes.database
  const id = newEventId()
  const before = await a.commands.run({ channel, command: 'pay', input: { cents: 5 }, id })
  const [row] = await sql<{ epoch: string }[]>`select holdfast.new_epoch() as epoch`
  const after = await a.commands.run({ channel, command: 'spend', input: { parts: [15] } })
  expect(after).toMatchObject({ offset: 12, epoch: row?.epoch })
  expect(before.epoch).not.toBe(after.epoch)
  expect(await a.commands.run({ channel, command: 'pay', input: { cents: 5 }, id })).toMatchObject({
    duplicate: true,
    offset: 11,
  })
  const state: Purse = (await a.purse.load(channel)).state
  expect(state.cents).toBe(0)
})

test('a state that is changed against the rule is kept as it was, and none while nothing may be written', async () => {
  const { tier } = await nodes.node()
  const { ledger } = tier.log
  let readOnly = false
  let asked = 0
  const over = {
    get readOnly() {
      return readOnly
    },
    partitionOf: (channel: string) => ledger.partitionOf(channel),
    query: (work: Parameters<typeof ledger.query>[0]) => {
      asked++
      return ledger.query(work)
    },
  } as typeof ledger
  const writer = new SnapshotWriter(over, createLogger('silent'))
  const evolve = () => undefined
  const aggregate = {
    ...{ name: 'purse:{id}', pattern: channelPattern('purse:{id}'), initial: {}, evolve },
    ...{ commands: new Map(), snapshots: { every: 1, version: 1 } },
  }
  const loaded = (state: unknown) => ({
    ...{ epoch: ledger.epoch, state, offset: 1, snapshotAt: 0, erasure: 0, checkedAt: 0, contended: false },
  })
  const channel = fresh()
  await pay({ tier, commands: (await newNode(undefined)).commands }, channel, 1)

  const state = { cents: 1 }
  expect(writer.offer('k', aggregate, channel, loaded(state)).snapshotAt).toBe(1)
  state.cents = 2
  await writer.idle()
  expect((await kept(channel)).map(row => row.state)).toEqual(['{"cents":1}'])
  expect(asked).toBe(1)

  writer.offer('k', aggregate, channel, loaded(state))
  readOnly = true
  await writer.idle()
  expect(writer.offer('k', aggregate, channel, loaded(state)).snapshotAt).toBe(0)
  await writer.idle()
  expect(asked).toBe(1)
  await writer.close()
})
