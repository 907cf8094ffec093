import { once } from 'node:events'
import { connect as connectSocket, createServer, type Socket } from 'node:net'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Client, createClient } from '../../src/client/index.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { type OwnServer, ownPostgres } from '../support/own-servers.ts'
import { connect, dense, subscribe, token } from '../support/sdk.ts'
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'

/** What an SDK gives a command before it drops the connection. */
const deadlineMs = 5_000
/** How much slower a signal may be than in the same run without a trouble. */
const spareMs = 250

interface Trouble {
  readonly name: string
  begin(): Promise<void>
  end(): Promise<void>
}

describe('while Postgres is in trouble', () => {
  let database: OwnServer
  let proxy: TcpProxy
  let sessions: Awaited<ReturnType<typeof sessionSettings>>
  let cluster: Cluster
  let sql: postgres.Sql
  let ours: Client
  const clients: { disconnect(): void }[] = []
  let round = 0
  let ongoing: Trouble | undefined

  const hogs: postgres.Sql[] = []
  const alone = async (statement: string) => {
    await sql.unsafe(statement)
    await sql`select pg_reload_conf()`
  }
  const troubles: readonly Trouble[] = [
    {
      name: 'that refuses connections',
      begin: async () => {
        proxy.refuse()
        proxy.cut()
      },
      end: () => proxy.heal(),
    },
    {
      name: 'behind a black hole',
      begin: async () => proxy.hold(),
      end: () => proxy.heal(),
    },
    {
      name: 'that may not be written',
      begin: async () => {
        await alone('alter system set default_transaction_read_only = on')
        // Each session hears of it in its own time.
        await nodesSay(503)
      },
      end: () => alone('alter system reset default_transaction_read_only'),
    },
    {
      name: 'without a place for another connection',
      begin: async () => {
        const nodes = () => sql<{ pid: number }[]>`
          select pid from pg_stat_activity where application_name like 'holdfast-%'`
        // While there is a place for it.
        await nodes()
        for (;;) {
          const hog = postgres(database.url, { max: 1, connection: { application_name: 'hog' } })
          const taken = await hog`select 1`.then(
            () => true,
            () => false,
          )
          if (taken) hogs.push(hog)
          // Only when nobody finds a place: one that was just taken from a node may be found by it again.
          else if ((await nodes()).length === 0) break
          else
            await sql`
              select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'holdfast-%' limit 3`
        }
      },
      end: async () => {
        await Promise.all(hogs.splice(0).map(each => each.end({ timeout: 1 })))
      },
    },
  ]

  beforeAll(async () => {
    // Few enough for a test to take all of them.
    database = await ownPostgres(70)
    sessions = await sessionSettings(database.url)
    proxy = await tcpProxy(sessions.url)
    cluster = await startCluster({ databaseUrl: proxy.through(database.url) })
    sql = postgres(database.url, { max: 1, onnotice: () => undefined })
    ours = createClient(
      cluster.nodes.map(({ url }) => url),
      { token: await token('ours'), reconnectDelayMs: { min: 20, max: 200 }, onError: () => undefined },
    )
    clients.push(ours)
    await ours.connect()
  })
  afterAll(async () => {
    for (const client of clients) client.disconnect()
    await Promise.all([...hogs, sql].map(each => each?.end({ timeout: 1 })))
    await cluster?.close()
    await proxy?.close()
    await sessions?.close()
    await database?.stop()
  })

  afterEach(() => ongoing?.end())

  const sdk = async (user: string, node = 0) => {
    const client = await connect(cluster.nodes[node]?.url ?? '', user)
    clients.push(client)
    return client
  }
  const nodesSay = (status: number) =>
    until(`both nodes say ${status}`, async () => {
      const answers = await Promise.all(cluster.nodes.map(({ http }) => fetch(`${http}/health/ready`)))
      return answers.every(each => each.status === status)
    })

  it.each(troubles)(
    '$name: appends fail in time and are repeated, and nothing else notices',
    async trouble => {
      const n = ++round
      const [hot, room] = [`order:hot-${n}`, `room:${n}`]
      const [a, b] = [await sdk(`a-${n}`, 0), await sdk(`b-${n}`, 1)]
      for (let i = 0; i < 20; i++) await ours.channel(hot).append('Counted', i)
      const live = await subscribe(b, hot, { since: { offset: 0, epoch: '' } })
      const signals = await subscribe(b, room)
      const cursor = ours.channel(hot).cursor('inbox')
      let sent = 0
      /** What nine of ten signals take from node to node, sent one after the other. */
      const mostly = async () => {
        const times: number[] = []
        while (times.length < 60) {
          const began = performance.now()
          await a.publish(room, ++sent)
          await until('the signal has come', () => signals.publications.length >= sent)
          times.push(performance.now() - began)
        }
        return times.sort((one, other) => one - other)[53] ?? 0
      }
      const undisturbed = await mostly()

      ongoing = trouble
      await trouble.begin()
      const pending = Array.from({ length: 5 }, (_, i) => ours.channel(hot).append('Pending', i))
      const began = performance.now()
      const official = await a.publish(hot, 'once').catch((error: unknown) => error)
      expect(performance.now() - began).toBeLessThan(deadlineMs)
      expect(official).toMatchObject({ code: 100, temporary: true })
      cursor.ack(15)
      const flushed = cursor.flush()
      await nodesSay(503)
      expect(await mostly()).toBeLessThan(undisturbed + spareMs)
      const late = await subscribe(await sdk(`late-${n}`, 1), hot, { since: { offset: 3, epoch: '' } })
      await until('the past has come', () => late.offsets().length >= 17)
      expect(late.offsets()).toEqual(dense(20).slice(3))

      ongoing = undefined
      await trouble.end()
      await nodesSay(200)
      const places = await Promise.all(pending)
      await flushed
      const rows = await sql<{ offset: number; type: string }[]>`
      select "offset"::int as "offset", type from holdfast.events where channel = ${hot} order by "offset"`
      // The SDK's own attempt may have been under way; it is there once at the most.
      const plain = rows.length - 25
      expect([0, 1]).toContain(plain)
      expect(rows.map(({ offset }) => offset)).toEqual(dense(25 + plain))
      expect(rows.filter(({ type }) => type === 'Pending')).toHaveLength(5)
      expect(new Set(places.map(({ offset }) => offset)).size).toBe(5)
      await until('the live one has all', () => live.offsets().length >= rows.length)
      expect(live.offsets()).toEqual(dense(rows.length))
      const [kept] = await sql`
      select "offset"::int as "offset" from holdfast.cursors where channel = ${hot} and name = 'inbox'`
      expect(kept).toEqual({ offset: 15 })
    },
    60_000,
  )

  it('every session of a node asks for commits that are flushed, also after all that', async () => {
    const there = await sql<{ name: string; count: number }[]>`
      select application_name as name, count(*)::int as count from pg_stat_activity
      where application_name like 'holdfast-%' group by application_name`
    expect(there.length).toBeGreaterThan(3)
    for (const { name, count } of there) {
      const asked = sessions.asked.filter(settings => settings.get('application_name') === name)
      expect([name, asked.length]).toEqual([name, expect.toSatisfy((n: number) => n >= count)])
    }
    for (const settings of sessions.asked) expect(settings.get('synchronous_commit')).toBe('on')
  })
})

/** Stands before a Postgres and notes with which settings sessions begin: no other session can see them. */
async function sessionSettings(target: string) {
  const asked: Map<string, string>[] = []
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    const inner = connectSocket(Number(new URL(target).port), '127.0.0.1')
    for (const [from, to] of [
      [client, inner],
      [inner, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => undefined).on('close', () => to.destroy())
    }
    client.once('data', chunk => {
      // Length, protocol, then names and values.
      const words = chunk.toString('utf8', 8).split('\0')
      const settings = new Map<string, string>()
      for (let i = 0; i + 1 < words.length; i += 2) settings.set(words[i] ?? '', words[i + 1] ?? '')
      asked.push(settings)
      inner.write(chunk)
      client.pipe(inner)
    })
    inner.pipe(client)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const url = new URL(target)
  url.port = String(typeof address === 'object' ? address?.port : '')
  return {
    url: url.href,
    asked,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
