import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Client, type Commanded, codes, createClient } from '../../src/client/index.ts'
import { eventIdFrom, newEventId } from '../../src/domain/index.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { connect, token } from '../support/sdk.ts'
import { tcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'

const setup = new URL('../support/command-setup.ts', import.meta.url).href

describe('commands', () => {
  let cluster: Cluster
  let sql: postgres.Sql
  const clients: Client[] = []
  beforeAll(async () => {
    const anyone = ['client'] as const
    const allow = { subscribe: anyone, publish: anyone, append: anyone, history: anyone }
    cluster = await startCluster({
      setup,
      config: {
        namespaces: { purse: { tier: 'durable', allow, appendTypes: ['Noted'] }, room: { tier: 'realtime' } },
      },
    })
    sql = postgres(cluster.databaseUrl, { max: 2 })
  })
  afterAll(async () => {
    for (const client of clients) client.disconnect()
    await sql?.end()
    await cluster?.close()
  })

  const api = (node: number, body: unknown) =>
    (cluster.nodes[node] as Cluster['nodes'][0]).api<Commanded>('command', body)
  const fund = (channel: string, cents: number) => api(0, { channel, command: 'pay', input: { cents } })
  const client = async (
    user: string,
    url: string | readonly string[] = cluster.nodes.map(node => node.url),
  ) => {
    const made = createClient(url, {
      token: await token(user),
      timeoutMs: 2_000,
      reconnectDelayMs: { min: 20, max: 300 },
      onError: () => undefined,
    })
    clients.push(made)
    await made.connect()
    return made
  }
  const events = (channel: string) => sql<{ id: string; type: string; offset: number }[]>`
    select id::text, type, "offset"::int as "offset" from holdfast.events where channel = ${channel} order by "offset"`

  it('come over HTTP from whoever has the key, and over a socket from whom the command allows it', async () => {
    const channel = 'purse:anna'
    const id = newEventId()
    const paid = await api(0, { channel, command: 'pay', input: { cents: 20 }, id })
    expect(paid).toMatchObject({ id, offset: 1, duplicate: false, events: [{ type: 'Paid', offset: 1 }] })
    expect(await api(1, { channel, command: 'pay', input: { cents: 20 }, id })).toEqual({
      ...paid,
      duplicate: true,
    })
    const keyed = { channel, command: 'pay', input: { cents: 1 }, idempotency_key: 'bill 7' }
    expect([(await api(0, keyed)).duplicate, (await api(1, keyed)).duplicate]).toEqual([false, true])

    const [anna, ben] = [await client('anna'), await client('ben')]
    const seen: string[] = []
    await anna
      .channel(channel)
      .subscribe(event => seen.push(`${event.offset} ${event.type} ${event.info?.user}`))
      .ready()
    const spent = await anna.channel(channel).command('spend', { parts: [3, 4] })
    expect(spent).toMatchObject({ offset: 4, events: [{ type: 'Spent' }, { type: 'Spent' }] })
    await until('she sees both', () => seen.length === 2)
    expect(seen).toEqual(['3 Spent anna', '4 Spent anna'])
    const refused = async (promise: Promise<unknown>) => {
      const { code, message } = await promise.then(
        () => ({ code: 0, message: 'it was not refused' }),
        error => error,
      )
      return [code, message]
    }
    expect(await refused(anna.channel(channel).command('spend', { parts: [90] }))).toEqual([
      codes.badRequest,
      'bad request: only 14 cents',
    ])
    expect((await refused(anna.channel(channel).command('spend', { parts: ['x'] })))[1]).toMatch(
      /^bad request: spend at parts.0: /,
    )
    expect((await refused(ben.channel(channel).command('spend', { parts: [1] })))[0]).toBe(
      codes.permissionDenied,
    )
    expect((await refused(anna.channel(channel).command('pay', { cents: 1 })))[0]).toBe(
      codes.permissionDenied,
    )
    expect((await refused(anna.channel(channel).command('burn')))[0]).toBe(104)
    expect((await refused(anna.channel('room:1').command('pay')))[0]).toBe(codes.notAvailable)
    expect((await refused(anna.channel('attic:1').command('pay')))[0]).toBe(codes.unknownChannel)
    expect((await refused(anna.channel('purse:ben#ben').command('spend', {})))[0]).toBe(
      codes.permissionDenied,
    )
    expect((await refused(anna.channel('$purse:anna').command('spend', {})))[0]).toBe(codes.permissionDenied)
    expect(await anna.channel(channel).command('spend', { parts: [] })).toMatchObject({
      offset: 4,
      events: [],
    })
    expect(await events(channel)).toHaveLength(4)
  })

  it('say what is wrong with a request, over both ways', async () => {
    const sdk = await connect(cluster.nodes[0]?.url ?? '', 'anna')
    const rpc = (data: unknown) =>
      sdk.rpc('holdfast.command', data).then(
        () => 0,
        error => error.code,
      )
    for (const data of [
      null,
      7,
      {},
      { channel: 'purse:anna' },
      { command: 'pay' },
      { channel: 1, command: 'pay' },
    ]) {
      expect(await rpc(data)).toBe(codes.badRequest)
    }
    expect(await rpc({ channel: 'purse:anna', command: 'spend', input: { parts: [] }, id: 'x' })).toBe(
      codes.badRequest,
    )
    sdk.disconnect()
    const bad = [
      [{ channel: 'purse:anna', command: 'pay', inputs: {} }, 107],
      [{ channel: 'purse:anna' }, 107],
      [{ channel: 'purse:anna', command: 'pay', input: { cents: 1 }, id: 'x' }, 107],
      [{ channel: 'purse:anna', command: 'pay', input: { cents: 0 } }, 107],
      [{ channel: 'purse:anna', command: '__proto__' }, 104],
      [{ channel: 'room:1', command: 'pay' }, 108],
    ] as const
    for (const [body, code] of bad)
      await expect(api(0, body), JSON.stringify(body)).rejects.toMatchObject({ code })
  })

  it('are the only way for clients to events of other types than the namespace lets them append', async () => {
    const channel = 'purse:carl'
    const carl = (await client('carl')).channel(channel)
    expect((await carl.append('Noted', 'hello')).offset).toBe(1)
    await expect(carl.append('Paid', { cents: 1_000 })).rejects.toMatchObject({
      code: codes.permissionDenied,
    })
    await expect(carl.publish('hello')).rejects.toMatchObject({ code: codes.permissionDenied })
    const node = cluster.nodes[0] as Cluster['nodes'][0]
    await node.api('append', { channel, type: 'Paid', data: { cents: 5 } })
    expect((await carl.command('spend', { parts: [5] })).offset).toBe(3)
  })

  it('are recorded in one order with the appends that a connection sends behind them', async () => {
    for (let n = 0; n < 5; n++) {
      const user = `gina${n}`
      const channel = `purse:${user}`
      await fund(channel, 5)
      // A node that has not met the channel has to read it before it decides.
      const sdk = await connect(cluster.nodes[1]?.url ?? '', user)
      await Promise.all([
        sdk.rpc('holdfast.command', { channel, command: 'spend', input: { parts: [2] } }),
        sdk.rpc('holdfast.append', { channel, type: 'Noted', data: 'behind' }),
      ])
      sdk.disconnect()
      expect((await events(channel)).map(({ type }) => type)).toEqual(['Paid', 'Spent', 'Noted'])
    }
  })

  it('have their effect once, whichever nodes are killed and whichever answers are lost', async () => {
    const users = ['dora', 'emil', 'fred']
    for (const user of users) await fund(`purse:${user}`, 100_000)
    const proxies = await Promise.all(cluster.nodes.slice(0, 2).map(node => tcpProxy(node.url)))
    const urls = proxies.map((proxy, i) => proxy.through(cluster.nodes[i]?.url ?? ''))
    const done: { channel: string; id: string; parts: number; answer: Commanded }[] = []
    let stopping = false
    const work = users.flatMap(user =>
      [0, 1].map(async turn => {
        // Two clients of a user at different nodes: their commands conflict.
        const own = (await client(user, turn === 0 ? urls : urls.toReversed())).channel(`purse:${user}`)
        for (let n = 0; !stopping; n++) {
          const parts = 1 + (n % 3)
          const id = newEventId()
          const answer = own.command('spend', { parts: Array(parts).fill(1) }, { id })
          done.push({ channel: own.name, id, parts, answer: await answer })
        }
      }),
    )
    const reached = (count: number) => until(`${count} are done`, () => done.length >= count, 60_000)
    for (let round = 0; round < 2; round++) {
      await reached(30 * (round + 1))
      const proxy = proxies[round]
      const node = cluster.nodes[round]
      proxy?.loseAnswers()
      await until('an answer is lost', () => (proxy?.lost() ?? 0) > 0, 60_000)
      proxy?.answerAgain()
      await node?.kill()
      await cluster.start({ port: node?.port ?? 0 })
    }
    await reached(done.length + 30)
    stopping = true
    await Promise.all(work)
    for (const proxy of proxies) await proxy.close()

    for (const user of users) {
      const channel = `purse:${user}`
      const own = done.filter(each => each.channel === channel)
      const rows = await events(channel)
      const places = new Map(rows.map(({ id, offset }) => [id, offset]))
      for (const { id, parts, answer } of own) {
        const ids = Array.from({ length: parts }, (_, i) => eventIdFrom(id, String(i)))
        const start = places.get(ids[0] ?? '') ?? 0
        expect(ids.map(each => places.get(each))).toEqual(ids.map((_, i) => start + i))
        expect(answer.events.map(({ offset }) => offset)).toEqual(ids.map((_, i) => start + i))
      }
      expect(rows).toHaveLength(1 + own.reduce((sum, { parts }) => sum + parts, 0))
    }
    const repeated = done.filter(({ answer }) => answer.duplicate).length
    console.log(`${done.length} commands, ${repeated} of them answered to a repetition`)
    expect(repeated).toBeGreaterThan(0)
  }, 120_000)
})
