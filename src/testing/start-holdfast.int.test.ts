import { setTimeout as rest } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { type ConfigInput, defineContract, defineReducer, type StandardSchemaV1 } from '../app/index.ts'
import { type Client, codes, type Gap, liveTable, type ReadTable } from '../client/index.ts'
import { connectPostgres } from '../platform/index.ts'
import { startHoldfast, type TestHoldfast } from './index.ts'

const anything = <T>(): StandardSchemaV1<T> => ({
  '~standard': { version: 1, vendor: 'test', validate: value => ({ value: value as T }) },
})
const contract = defineContract({
  'order:{id}': { Placed: anything<{ cents: number }>(), Paid: anything<{ cents: number }>() },
  'recent:{id}': anything<{ n: number }>(),
  'room:{id}': { moved: anything<{ x: number }>(), publication: anything<{ hello: string }>() },
})
const all: NonNullable<NonNullable<ConfigInput['namespaces']>[string]['allow']> = {
  subscribe: ['client'],
  publish: ['client'],
  history: ['client'],
  presence: ['client'],
}
const namespaces: ConfigInput['namespaces'] = {
  order: { tier: 'durable', allow: { ...all, append: ['client'], publish: [] } },
  live: { tier: 'realtime', allow: all },
  room: { tier: 'realtime', presence: true, joinLeave: true, allow: all },
  recent: { tier: 'realtime', history: { size: 100, ttlSeconds: 60 }, forceRecovery: true, allow: all },
}

describe('a Holdfast of a test’s own', () => {
  let t: TestHoldfast<typeof contract>
  let anna: Client<typeof contract>
  let ben: Client<typeof contract>
  let count = 0
  let mayHandle = Promise.resolve()
  /** New for each attempt of a test. */
  const named = <Name extends string>(name: Name) => `${name}:${crypto.randomUUID()}-${count++}` as const

  beforeAll(async () => {
    t = await startHoldfast({
      contract,
      config: { namespaces },
      nodes: 2,
      postgres: inject('postgresUrl'),
      setup(hf) {
        hf.rpc('whoami', ({ user }) => ({ user, node: hf.node.name }))
        hf.group('behind').on('order:{id}', 'Placed', () => mayHandle)
        hf.projection(
          defineReducer({
            name: 'totals',
            version: 1,
            channels: 'order:{id}',
            key: ({ params }) => params.id,
            initial: () => 0,
            evolve: (cents, { data }) => cents + (data as { cents: number }).cents,
            changes: 'live:totals',
          }),
        )
      },
    })
    const user = await t.mintUser('anna', { info: { name: 'Anna' } })
    anna = await user.connect()
    ben = await (await t.mintUser('ben')).connect({ node: 1 })
  })
  afterAll(() => t?.close())

  it('has nodes that know its users, carry typed signals between them, and do what `setup` says', async () => {
    expect(await anna.rpc('whoami')).toMatchObject({ user: 'anna' })
    const room = named('room')
    const heard: unknown[] = []
    const listening = ben.channel(room).on('moved', ({ type, data, info }) => {
      heard.push({ type, x: data.x, user: info?.user, told: info?.connInfo })
    })
    const all: string[] = []
    const rest = ben.channel(room).on('*', ({ type }) => all.push(type))
    await Promise.all([listening.ready(), rest.ready()])
    await anna.channel(room).publish({ hello: 'all' })
    await anna.channel(room).signal('moved', { x: 4 })
    await anna.channel(room).signal('moved', { x: 5 }, { to: { user: 'ben' } })
    await anna.channel(room).signal('moved', { x: 6 }, { to: { user: 'cleo' } })
    await anna.channel(room).publish({ hello: 'again' })
    await t.waitFor('all have come', () => all.length === 4)
    expect(all).toEqual(['publication', 'moved', 'moved', 'publication'])
    expect(heard).toEqual([
      { type: 'moved', x: 4, user: 'anna', told: { name: 'Anna' } },
      { type: 'moved', x: 5, user: 'anna', told: { name: 'Anna' } },
    ])
    // What the contract does not know, and what is no type, is refused.
    await expect(anna.channel(room).signal('jumped' as 'moved', { x: 1 })).rejects.toMatchObject({
      code: codes.badRequest,
      message: expect.stringContaining('jumped'),
    })
    await expect(anna.channel(room).signal('x'.repeat(256) as 'moved', { x: 1 })).rejects.toMatchObject({
      code: codes.badRequest,
    })
  })

  it('waits for offsets and read models, in a database of its own', async () => {
    const order = named('order')
    const late = t.waitForOffset(order, 2, { node: 1 })
    await anna.channel(order).append('Placed', { cents: 40 })
    await ben.channel(order).append('Paid', { cents: 2 })
    await late
    await expect(t.waitForOffset(order, 3, { withinMs: 100 })).rejects.toThrow(/waited 100 ms/)
    const url = `${t.nodes[1]?.http}/api/projections/totals?key=${order.slice(6)}&atLeast=${order}@2`
    const answer = await fetch(url, { headers: { 'x-api-key': t.apiKey } })
    expect(await answer.json()).toMatchObject({ result: { rows: [{ state: 42 }] } })
    expect(new URL(t.databaseUrl ?? '').pathname).toMatch(/^\/holdfast_test_/)
  })

  it('drops all connections, or those of one user, and they miss nothing', async () => {
    const order = named('order')
    const seen: Record<string, number[]> = { anna: [], ben: [] }
    const connects = { anna: 0, ben: 0 }
    anna.sdk.on('connected', () => connects.anna++)
    ben.sdk.on('connected', () => connects.ben++)
    for (const [name, client] of Object.entries({ anna, ben }))
      await client
        .channel(order)
        .on('*', ({ offset }) => seen[name]?.push(offset ?? 0), { since: 0 })
        .ready()
    await t.dropConnections('ben')
    await t.waitFor('ben is back', () => connects.ben === 1)
    expect(connects.anna).toBe(0)
    t.keepOut()
    await t.waitFor('both are away', () => anna.state === 'connecting' && ben.state === 'connecting')
    await t.hf.append(order, 'Placed', { cents: 1 })
    t.letIn()
    await t.dropConnections()
    await t.hf.append(order, 'Paid', { cents: 1 })
    await t.waitFor('both have all', () => seen['anna']?.length === 2 && seen['ben']?.length === 2)
    expect(seen).toEqual({ anna: [1, 2], ben: [1, 2] })
  })

  it.each(['kill', 'hang'] as const)(
    'stops Redis (%s) and starts it again, and clients know of it',
    async how => {
      const states: string[] = []
      const off = anna.on('state', ({ state }) => states.push(state))
      await t.waitFor('the node has said how it is', () => anna.status.server?.realtime === 'ready')
      const order = named('order')
      const { signal } = new AbortController()
      const seen: number[] = []
      const reader = ben.channel(order).on('*', ({ offset }) => seen.push(offset ?? 0))
      await reader.ready()
      const read: ReadTable<{ key: string; state: number }> = async () => {
        const url = `${t.nodes[0]?.http}/api/projections/totals?key=${order.slice(6)}`
        const answer = await fetch(url, { headers: { 'x-api-key': t.apiKey } })
        const { result } = (await answer.json()) as { result: Awaited<ReturnType<typeof read>> }
        return result
      }
      // One on each node: at least for one of them the change is told by the other node.
      const tables = [anna, ben].map(client =>
        liveTable(client as Client, 'totals', { changes: 'live:totals', read }),
      )
      for (const table of tables) await table.ready()
      await t.stopRedis(how)
      // Not with the first change that is told: the breakers of bus and log notice one after the other.
      await t.waitFor('it is local only', () => anna.status.server?.realtime === 'local', 20_000)
      expect(anna.status.state).toBe('degraded')
      await anna.channel(order).append('Placed', { cents: 1 })
      await t.waitFor('the event comes all the same', () => seen.length === 1, 20_000)
      await t.waitFor(
        'the row is there',
        async () => (await read({ after: undefined, signal })).rows[0],
        30_000,
      )
      await t.startRedis()
      for (const table of tables) {
        await t.waitFor('it shows it', () => table.view.rows.some(({ key }) => order.endsWith(key)), 30_000)
        table.close()
      }
      await t.waitFor('it is live', () => anna.status.server?.realtime === 'ready', 20_000)
      expect(states).toContain('degraded')
      off()
      reader.unsubscribe()
    },
    120_000,
  )

  it('makes gaps that clients are told of, in a durable channel and in one with a history', async () => {
    // A Redis that was slow a moment ago records nothing for a while: a publication goes without a place then.
    const publish = (name: string) =>
      t.waitFor(
        'it is recorded',
        async () => (await t.hf.publish(name as 'recent:1', { n: 1 }))?.offset,
        30_000,
      )
    for (const [channel, record] of [
      [named('order'), (name: string) => t.hf.append(name as 'order:1', 'Placed', { cents: 1 })],
      [named('recent'), publish],
    ] as const) {
      const gaps: Gap[] = []
      const off = anna.on('gap', gap => gaps.push(gap))
      const seen: number[] = []
      await record(channel)
      const reader = anna.channel(channel).on('*', ({ offset }) => seen.push(offset ?? 0), { since: 0 })
      await t.waitFor('the first has come', () => seen.length === 1, 30_000)
      await expect(t.makeGap(channel, () => undefined)).rejects.toThrow(/nothing was recorded/)
      await t.makeGap(channel, async () => {
        // What a group has not handled yet is waited for.
        mayHandle = rest(300)
        await record(channel)
        await record(channel)
      })
      await t.waitFor('the gap is told', () => gaps.length === 1, 30_000)
      await t.waitFor('it is live', () => reader.progress === 'live', 30_000)
      await record(channel)
      await t.waitFor('it goes on', () => seen.length === 2, 30_000)
      const durable = channel.startsWith('order')
      expect(gaps[0]).toMatchObject(
        durable
          ? { channel, reason: 'retention', lost: { from: 2, to: 3 } }
          : { channel, reason: 'epoch_changed' },
      )
      expect(seen).toEqual(durable ? [1, 4] : [1, 1])
      reader.unsubscribe()
      off()
    }
  }, 120_000)

  it('says who still needs the events, where a gap cannot be made', async () => {
    const channel = named('order')
    let release = () => {}
    mayHandle = new Promise(resolve => {
      release = resolve
    })
    try {
      const gap = t.makeGap(channel, () => t.hf.append(channel, 'Placed', { cents: 1 }), 500)
      await expect(gap).rejects.toThrow(/until nobody needs the events of order:.* as .*group\/behind/)
    } finally {
      release()
    }
  })
})

it('leaves nothing behind although something does not end', async () => {
  const stage = await startHoldfast({ postgres: inject('postgresUrl'), redis: false, nodes: 2 })
  const close = stage.hf.close.bind(stage.hf)
  stage.hf.close = async () => {
    await close()
    throw new Error('it does not end')
  }
  const { databaseUrl } = stage
  await expect(stage.close()).rejects.toThrow('it does not end')
  await expect(connectsTo(databaseUrl)).rejects.toThrow(/does not exist/)
})

async function connectsTo(url: string | undefined): Promise<void> {
  const sql = connectPostgres(url ?? '', { max: 1, applicationName: 'test' })
  try {
    await sql`select 1`
  } finally {
    await sql.end()
  }
}

it('leaves nothing behind, and says what it needs', async () => {
  const stage = await startHoldfast({ postgres: inject('postgresUrl'), redis: inject('redisUrl') })
  const user = await stage.mintUser('anna')
  const client = await user.connect()
  await expect(stage.stopRedis()).rejects.toThrow(/not the test’s own/)
  await stage.close()
  expect(client.state).toBe('disconnected')
  const sql = connectPostgres(inject('postgresUrl'), { max: 1, applicationName: 'test' })
  const name = new URL(stage.databaseUrl ?? '').pathname.slice(1)
  expect(await sql`select 1 from pg_database where datname = ${name}`).toHaveLength(0)
  await sql.end()
  await expect(startHoldfast({ postgres: 'postgres://nobody@127.0.0.1:1/none' })).rejects.toThrow(/CREATEDB/)
  await expect(
    startHoldfast({
      postgres: false,
      redis: false,
      config: { namespaces: { x: { tier: 'eternal' as 'durable' } } },
    }),
  ).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
})
