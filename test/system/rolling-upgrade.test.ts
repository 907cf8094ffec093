import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { pendingMigrations } from '../../src/durable/index.ts'
import { startBalancer } from '../support/balancer.ts'
import { type Cluster, type Node, startCluster } from '../support/cluster.ts'
import { startCrowd } from '../support/crowd.ts'
import { type FreshDatabase, freshDatabase } from '../support/database.ts'
import { effectsTable } from '../support/effects-setup.ts'
import { previousRelease, type Release, whyNoPreviousRelease } from '../support/previous-release.ts'
import { connect, dense, subscribe } from '../support/sdk.ts'
import { startTraffic, type Traffic } from '../support/traffic.ts'
import { until } from '../support/until.ts'

const setup = fileURLToPath(new URL('../support/effects-setup.ts', import.meta.url))
const missing = await whyNoPreviousRelease()
if (missing) console.log(`holdfast: the previous release is not run beside this one: ${missing}`)

describe.skipIf(missing)('the previous release beside this one', () => {
  let database: FreshDatabase
  let sql: postgres.Sql
  let release: Release
  let cluster: Cluster
  let old: Node
  let young: Node

  beforeAll(async () => {
    release = await previousRelease()
    database = await freshDatabase(inject('postgresUrl'))
    sql = postgres(database.url, { max: 1 })
    await sql.unsafe(effectsTable)
    // The release before knows no canaries, and refuses what it does not know; the new nodes have theirs beside it.
    const config = { prober: undefined }
    cluster = await startCluster({ nodes: 0, databaseUrl: database.url, setup, config })
    old = await cluster.start({ bin: release.bin })
  })
  afterAll(async () => {
    await cluster?.close()
    await release?.remove()
    await sql?.end()
    await database?.drop()
  })

  const ends: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  const effectsOf = async (group: string) => {
    const [row] = await sql`
      select count(*)::int as count, count(distinct id)::int as events from effects where "group" = ${group}`
    return row as { count: number; events: number }
  }
  const allHandled = async (events: number) => {
    for (const group of ['competing', 'ordered']) {
      await until(
        `${group} has handled everything`,
        async () => (await effectsOf(group)).events === events,
        30_000,
      )
      expect([group, await effectsOf(group)]).toEqual([group, { count: events, events }])
    }
  }
  const canaryEvents = async () => {
    const [row] = await sql<{ count: number }[]>`
      select count(*)::int as count from holdfast.events where channel like '~%'`
    return row?.count
  }
  /** What a node's metrics say of messages that it did not understand. */
  const foreignTo = async (node: Node) =>
    (await (await fetch(`${node.http}/metrics`)).text())
      .split('\n')
      .filter(line => line.startsWith('holdfast_bus_foreign_total') && !line.endsWith(' 0'))

  it('runs on while this one brings the schema up to date', async () => {
    const sdk = await connect(old.url, 'ann')
    const before = await sdk.rpc('holdfast.append', { channel: 'order:before', type: 'Said', data: 1 })
    expect(before.data).toMatchObject({ offset: 1 })
    young = await cluster.start({ args: ['--migrate'] })
    expect(await pendingMigrations(database.url)).toEqual([])
    const after = await sdk.rpc('holdfast.append', { channel: 'order:before', type: 'Said', data: 2 })
    expect(after.data).toMatchObject({ offset: 2 })
    const past = await young.api<{ publications: unknown[] }>('history', {
      channel: 'order:before',
      limit: 10,
    })
    expect(past.publications).toHaveLength(2)
    sdk.disconnect()
  })

  it('hears this one and is heard by it, in both tiers', async () => {
    const [ann, bob] = await Promise.all([connect(old.url, 'ann'), connect(young.url, 'bob')])
    ends.push(() => [ann, bob].map(client => client.disconnect()))
    const [room, recent, order] = ['room', 'recent', 'order'].map(each => `${each}:${randomUUID()}`)
    for (const channel of [room, recent, order] as string[]) {
      const listeners = await Promise.all([ann, bob].map(client => subscribe(client, channel)))
      for (let n = 1; n <= 20; n++) {
        await ann.publish(channel, { by: 'ann', n })
        await bob.publish(channel, { by: 'bob', n })
      }
      const said = (by: string) => dense(20).map(n => ({ by, n }))
      for (const each of listeners) {
        await until(`all is heard in ${channel}`, () => each.publications.length >= 40)
        for (const by of ['ann', 'bob'])
          expect(each.data().filter(data => (data as { by: string }).by === by)).toEqual(said(by))
        if (channel !== room) expect(each.offsets()).toEqual(dense(40))
      }
    }
    const clients = [ann, bob].map(each => (each as unknown as { _client: string })._client).sort()
    for (const node of [old, young]) {
      await until(`${node.name} tells both to be present`, async () => {
        const { presence } = await node.api<{ presence: object }>('presence', { channel: room })
        return Object.keys(presence).sort().join() === clients.join()
      })
      await until(`${node.name} knows both nodes`, async () => {
        const { nodes } = await node.api<{ nodes: { version: string }[] }>('info', {})
        return nodes.length === 2
      })
    }
    // A command given to either reaches the sessions of the other.
    for (const [node, client, user] of [
      [old, bob, 'bob'],
      [young, ann, 'ann'],
    ] as const) {
      let ended: number | undefined
      client.on('disconnected', ({ code }) => {
        ended = code
      })
      await until(`${user} is disconnected`, async () => {
        await node.api('disconnect', { user, code: 3503, reason: 'force disconnect' })
        return await until('it has arrived', () => ended, 1_000).catch(() => undefined)
      })
      expect(ended).toBe(3503)
    }
    expect(await foreignTo(young)).toEqual([])
  }, 120_000)

  it('shares the work of groups with it', async () => {
    await until('both are members of both groups', async () => {
      const rows = await sql`
        select "group", count(*)::int as members from holdfast.group_members
        where "group" in ('competing', 'ordered') group by 1`
      return rows.length === 2 && rows.every(({ members }) => members === 2)
    })
    const [row] = await sql<
      { count: number }[]
    >`select count(*)::int as count from holdfast.events where channel like 'order:%'`
    await allHandled(row?.count ?? 0)
  })

  it('is replaced under load, and nothing is lost', async () => {
    await sql`delete from effects`
    const balancer = await startBalancer([old.port, young.port], { turns: true })
    ends.push(() => balancer.close())
    const behind = { ...young, name: 'the balancer', url: balancer.url }
    const traffic: Traffic = await startTraffic([behind], { channels: ['order:1', 'order:2'], writers: 4 })
    ends.push(() => traffic.close())
    const crowd = await startCrowd([balancer.url], 'room:all', 8)
    ends.push(() => crowd.close())
    await Promise.all([traffic.further(200), crowd.further(60)])
    // Its rules and groups with patterns would take them for the application's.
    expect(await canaryEvents()).toBe(0)
    expect(await old.stop()).toBe(0)
    const second = await cluster.start({ port: old.port })
    await Promise.all([traffic.further(200), crowd.further(60)])
    for (const codes of crowd.endings) expect(codes.length).toBeLessThanOrEqual(1)
    await crowd.finish([young, second])
    await traffic.finish(database.url)
    await allHandled(traffic.size)
    await until('canaries append when it has gone', async () => ((await canaryEvents()) ?? 0) > 0, 30_000)
    expect(await foreignTo(young)).toEqual([])
  }, 150_000)
})
