import { Redis } from 'ioredis'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Client, createClient, type Reset } from '../../src/client/index.ts'
import { type Cluster, type Node, startCluster } from '../support/cluster.ts'
import { holdfast } from '../support/command.ts'
import { type OwnServer, ownRedis } from '../support/own-servers.ts'
import { type RestoredPostgres, restoredPostgres } from '../support/restored-postgres.ts'
import { connect, dense, type Recorded, subscribe, token } from '../support/sdk.ts'
import { until } from '../support/until.ts'

const channel = 'order:1'

/** The steps build on each other: one ledger, and what happens to it. */
describe('a Postgres that goes back in time under running nodes', () => {
  let database: RestoredPostgres
  let redis: OwnServer
  let cluster: Cluster
  let sql: postgres.Sql
  let writer: Client
  const clients: { disconnect(): void }[] = []
  const heard = { offsets: [] as number[], resets: [] as Reset[] }
  let sdk: Recorded
  const toldSdk: { recovered: boolean; epoch: string | undefined }[] = []

  const nodesSay = (ledger: string, nodes = cluster.nodes) =>
    until(`all nodes say ${ledger}`, async () => {
      const answers = await Promise.all(nodes.map(({ http }) => fetch(`${http}/health/ready`)))
      const bodies = (await Promise.all(answers.map(each => each.json()))) as {
        parts: { ledger: string }
        advice?: string
      }[]
      const unavailable = ledger === 'ready' ? 200 : 503
      if (ledger === 'behind_mirror' && bodies.some(each => !each.advice?.includes('new-epoch'))) return false
      return bodies.every(({ parts }, i) => parts.ledger === ledger && answers[i]?.status === unavailable)
    })
  const stored = async () => {
    const rows = await sql<{ offset: number }[]>`
      select "offset"::int as "offset" from holdfast.events where channel = ${channel} order by position`
    return rows.map(({ offset }) => offset)
  }
  const connected = async (user: string): Promise<Client> => {
    const client = createClient(
      cluster.nodes.map(({ url }) => url),
      { token: await token(user), reconnectDelayMs: { min: 20, max: 200 }, onError: () => undefined },
    )
    clients.push(client)
    await client.connect()
    return client
  }
  const record = async (count: number) => {
    for (let n = 0; n < count; n++) await writer.channel(channel).append('Counted', n)
  }
  const appendAt = (node: Node) => node.api('append', { channel, type: 'Counted', data: 'at one node' })
  const wipeRedis = async () => {
    const wiper = new Redis(redis.url)
    await wiper.flushall()
    wiper.disconnect()
  }

  beforeAll(async () => {
    database = await restoredPostgres()
    redis = await ownRedis()
    cluster = await startCluster({ databaseUrl: database.url, redisUrl: redis.url })
    sql = postgres(database.url, { max: 1, onnotice: () => undefined })
    writer = await connected('writer')
    const reader = await connected('reader')
    reader.channel(channel).subscribe({
      cursor: 'inbox',
      afterReset: 'start',
      onEvent: ({ offset = 0 }) => heard.offsets.push(offset),
      onReset: reset => heard.resets.push(reset),
    })
    const official = await connect(cluster.nodes[0]?.url ?? '', 'official')
    clients.push(official)
    sdk = await subscribe(official, channel, { since: { offset: 0, epoch: '' } })
    sdk.subscription.on('subscribed', ({ recovered, streamPosition }) =>
      toldSdk.push({ recovered, epoch: streamPosition?.epoch }),
    )
  })
  afterAll(async () => {
    for (const client of clients) client.disconnect()
    await sql?.end({ timeout: 1 })
    await cluster?.close()
    await Promise.all([redis?.stop(), database?.stop()])
  })

  it('is noticed by what the nodes themselves know, with Redis wiped, before a single event is recorded', async () => {
    await record(20)
    await database.keep('yesterday')
    await nodesSay('ready')
    await record(18)
    // What others have recorded a node knows from when it looks next, what it has recorded itself at once.
    for (const node of cluster.nodes) await appendAt(node)
    await until('the reader has all', () => heard.offsets.length === 40)
    await wipeRedis()
    await database.replace('today', 'yesterday')
    const refused = await Promise.all(cluster.nodes.map(node => appendAt(node).catch(error => error)))
    for (const each of refused) expect(each).toMatchObject({ code: 100 })
    await nodesSay('behind_mirror')
    expect(await stored()).toEqual(dense(20))
  }, 60_000)

  it('is known to a node that starts now, and to the command line, and holds the outbox', async () => {
    await wipeRedis()
    const third = await until('the nodes have said it again', async () => {
      const client = new Redis(redis.url)
      const keys = await client.keys('*:lost')
      client.disconnect()
      return keys.length === 1
    }).then(() => cluster.start())
    await nodesSay('behind_mirror')
    await expect(appendAt(third)).rejects.toMatchObject({ code: 100 })
    const status = await holdfast(['ledger', 'status'], { DATABASE_URL: database.url, REDIS_URL: redis.url })
    expect(status.stdout).toContain('holdfast ledger new-epoch')
    await sql`select holdfast_publish(${channel}, 'FromOutbox', '1')`
    expect(await stored()).toEqual(dense(20))
  }, 60_000)

  it('goes on by itself when the right server is back, and nobody has noticed', async () => {
    await database.replace('restored', 'today')
    await nodesSay('ready')
    await record(5)
    await until('the reader has all', () => heard.offsets.length === 45)
    await until('the SDK has all', () => sdk.offsets().length === 45)
    expect([heard.offsets, heard.resets, sdk.offsets()]).toEqual([dense(45), [], dense(45)])
    expect(await stored()).toEqual(dense(45))
  }, 60_000)

  it('is noticed by the mirror, also by nodes that have been started anew', async () => {
    await Promise.all(cluster.nodes.slice(1).map(node => node.kill()))
    await database.replace('lost', 'yesterday')
    const fresh = await cluster.start()
    await nodesSay('behind_mirror', [cluster.nodes[0] as Node, fresh])
    expect(await stored()).toEqual(dense(20))
  }, 60_000)

  it('goes on in a new epoch: clients are told, what waited is recorded, and cursors begin anew', async () => {
    await sql`select holdfast_publish(${channel}, 'FromOutbox', '2')`
    const waiting = writer.channel(channel).append('Waited', 'for the operator')
    const [was] = await sql<{ epoch: string }[]>`select epoch from holdfast.ledger`
    const command = await holdfast(['ledger', 'new-epoch', '--yes', '--json'], { DATABASE_URL: database.url })
    const answer = command.json<{ epoch: string; previous: string }>()
    expect(answer.previous).toBe(was?.epoch)
    const alive = cluster.nodes.filter(
      ({ process }) => process.exitCode === null && process.signalCode === null,
    )
    await nodesSay('ready', alive)
    expect(await waiting).toMatchObject({ epoch: answer.epoch })
    await until('everything is recorded', async () => (await stored()).length === 22)
    expect(await stored()).toEqual(dense(22))
    await until('our client was told', () => heard.resets.length > 0)
    expect(heard.resets.at(-1)).toMatchObject({ position: { epoch: answer.epoch } })
    await until('it has all of the new epoch', () => heard.offsets.at(-1) === 22)
    expect(heard.offsets.slice(heard.offsets.lastIndexOf(1))).toEqual(dense(22))
    await until('the SDK was told', () => toldSdk.at(-1)?.epoch === answer.epoch)
    expect(toldSdk.at(-1)).toEqual({ recovered: false, epoch: answer.epoch })
    const cursors = () => sql<{ offset: number; epoch: string }[]>`
      select "offset"::int as "offset", epoch from holdfast.cursors where channel = ${channel} and name = 'inbox'`
    await until('it has acknowledged all of the new epoch', async () => (await cursors())[0]?.offset === 22)
    expect(await cursors()).toEqual([{ offset: 22, epoch: answer.epoch }])
  }, 60_000)
})
