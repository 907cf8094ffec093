import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient } from '../../src/client/index.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { connect, dense, received, subscribe, token } from '../support/sdk.ts'

interface Appended {
  offset: number
  epoch: string
  id: string
  duplicate: boolean
}

describe('appends from several clients on both nodes', () => {
  let cluster: Cluster
  let sql: postgres.Sql
  beforeAll(async () => {
    cluster = await startCluster()
    sql = postgres(cluster.databaseUrl, { max: 2 })
  })
  afterAll(async () => {
    await sql?.end()
    await cluster?.close()
  })

  const url = (i: number) => cluster.nodes[i % 2]?.url ?? ''

  it('give every subscriber on every node offsets 1…n, and Postgres exactly those rows', async () => {
    const channels = ['order:shared-1', 'order:shared-2', 'order:shared-3', 'order:shared-4']
    const subscribers = await Promise.all([0, 1, 0, 1].map((i, n) => connect(url(i), `reader-${n}`)))
    const records = await Promise.all(
      subscribers.flatMap(client => channels.map(channel => subscribe(client, channel))),
    )
    const appenders = await Promise.all(
      [0, 1, 2, 3, 4].map(async i => {
        const client = createClient(url(i), { token: await token(`writer-${i}`) })
        await client.connect()
        return client
      }),
    )
    const acknowledged: { channel: string; offset: number; id: string }[] = []
    await Promise.all(
      Array.from({ length: 1_000 }, async (_, n) => {
        const channel = channels[n % channels.length] ?? ''
        const client = appenders[n % appenders.length] as (typeof appenders)[0]
        const done = await client.channel(channel).append('Counted', { n })
        acknowledged.push({ channel, offset: done.offset, id: done.id })
      }),
    )
    expect(acknowledged).toHaveLength(1_000)
    await Promise.all(records.map(record => received(record, 250)))
    for (const record of records) expect(record.offsets()).toEqual(dense(250))

    const rows = await sql<{ channel: string; offset: number; id: string }[]>`
      select channel, "offset"::int as "offset", id::text from holdfast.events
      where channel = any(${channels}) order by channel, "offset"`
    expect(rows).toHaveLength(1_000)
    const key = (row: { channel: string; offset: number; id: string }) =>
      `${row.channel}/${row.offset}/${row.id}`
    expect(acknowledged.map(key).sort()).toEqual(rows.map(key).sort())
    // What each subscriber saw is what Postgres holds, event by event.
    for (const record of records) {
      const seen = record.publications.map(p => `${p.channel}/${p.offset}/${p.tags?.['id']}`)
      expect(seen).toEqual(rows.filter(row => row.channel === record.subscription.channel).map(key))
    }
    for (const client of [...subscribers, ...appenders]) client.disconnect()
  })

  it('with one id, at once on both nodes, leave one row and one offset', async () => {
    const clients = await Promise.all([0, 1].map(i => connect(url(i), `twice-${i}`)))
    for (let round = 0; round < 25; round++) {
      const id = crypto.randomUUID()
      const results = await Promise.all(
        clients.map(async client => {
          const { data } = await client.rpc('holdfast.append', {
            channel: 'order:twice',
            type: 'Once',
            data: { round },
            id,
          })
          return data as Appended
        }),
      )
      expect(results.map(each => each.offset)).toEqual([round + 1, round + 1])
      expect(results.map(each => each.duplicate).sort()).toEqual([false, true])
    }
    const [count] = await sql`select count(*)::int as n from holdfast.events where channel = 'order:twice'`
    expect(count?.['n']).toBe(25)
    for (const client of clients) client.disconnect()
  })

  it('with an expected offset: one’s own success again is a duplicate, a foreign one a conflict', async () => {
    const client = await connect(url(0), 'expecting')
    const other = await connect(url(1), 'foreign')
    const append = (from: typeof client, id: string, expectedOffset: number, data: unknown = {}) =>
      from.rpc('holdfast.append', { channel: 'order:expected', type: 'Decided', data, id, expectedOffset })
    const own = crypto.randomUUID()
    expect((await append(client, own, 0)).data).toMatchObject({ offset: 1, duplicate: false })
    expect((await append(other, own, 0)).data).toMatchObject({ offset: 1, duplicate: true })
    await expect(append(other, crypto.randomUUID(), 0)).rejects.toMatchObject({ code: 409 })
    await expect(append(other, own, 0, { other: 'data' })).rejects.toMatchObject({ code: 422 })
    expect((await append(other, crypto.randomUUID(), 1)).data).toMatchObject({ offset: 2 })
    client.disconnect()
    other.disconnect()
  })

  it('by plain publish and over the HTTP API are events of the same channel', async () => {
    const client = await connect(url(0), 'plain')
    const record = await subscribe(client, 'order:mixed')
    await client.publish('order:mixed', { by: 'publish' })
    const done = await cluster.nodes[1]?.api<Appended>('append', {
      channel: 'order:mixed',
      type: 'Appended',
      data: { by: 'http' },
      idempotency_key: 'a key of any form',
    })
    const again = await cluster.nodes[0]?.api<Appended>('append', {
      channel: 'order:mixed',
      type: 'Appended',
      data: { by: 'http' },
      idempotency_key: 'a key of any form',
    })
    expect(done).toMatchObject({ offset: 2, duplicate: false })
    expect(again).toMatchObject({ offset: 2, duplicate: true, id: done?.id })
    await received(record, 2)
    expect(record.data()).toEqual([{ by: 'publish' }, { by: 'http' }])
    expect(record.publications[1]?.tags).toMatchObject({ type: 'Appended', id: done?.id })
    client.disconnect()
  })
})
