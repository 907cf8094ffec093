import { createHash, randomUUID } from 'node:crypto'
import { Centrifuge } from 'centrifuge'
import postgresDriver from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ConsoleCaller, consoleAt } from '../../test/support/console-caller.ts'
import { type OwnServer, ownPostgres, ownRedis } from '../../test/support/own-servers.ts'
import { until } from '../../test/support/until.ts'
import { freePort } from '../cli/services/free-port.ts'
import { createHoldfast } from './holdfast.ts'
import type { Holdfast } from './types.ts'

const operatorToken = `operator-${randomUUID()}`
const viewerToken = `viewer-${randomUUID()}`
/** What a page waits for at most, with room for a busy machine. */
const answerMs = 5_000
const unique = (prefix: string) => `${prefix}${randomUUID().slice(0, 8)}`

describe('the console of two nodes', () => {
  let redis: OwnServer
  let postgres: OwnServer
  let sql: postgresDriver.Sql
  let a: Holdfast
  let b: Holdfast
  let viewer: ConsoleCaller
  let operator: ConsoleCaller
  const started: Holdfast[] = []
  const sockets: Centrifuge[] = []

  async function start(name: string, more: Record<string, unknown> = {}): Promise<[Holdfast, string]> {
    const hf = await createHoldfast({
      nodeName: name,
      log: { level: 'silent' },
      http: { host: '127.0.0.1', port: 0 },
      redis: { url: redis.url },
      postgres: { url: postgres.url, migrate: true, allowUnsafeFsync: true },
      auth: { allowAnonymous: true },
      console: {
        tokens: [
          { name: 'ann', role: 'operator', token: operatorToken },
          { name: 'vic', tokenHash: createHash('sha256').update(viewerToken).digest('hex') },
        ],
      },
      namespaces: {
        room: { tier: 'realtime', presence: true, joinLeave: true },
        order: { tier: 'durable' },
        frozen: { tier: 'durable' },
      },
      ...more,
    })
    started.push(hf)
    hf.group('receipts', { maxAttempts: 1 }).on('order:{id}', 'Bad', () => {
      throw new Error('cannot be handled')
    })
    hf.aggregate({
      pattern: 'frozen:{id}',
      initial: 0,
      evolve: (state: number, _event: { type: 'Bumped'; data: number }) => state + 1,
      commands: { bump: { decide: () => ({ type: 'Bumped' as const, data: 1 }) } },
    })
    const { port } = await hf.listen()
    return [hf, `http://127.0.0.1:${port}`]
  }
  let urlA: string
  let urlB: string

  function socket(url: string, token: string): Centrifuge {
    const client = new Centrifuge(`${url.replace('http', 'ws')}/connection/websocket`, {
      token,
      timeout: 30_000,
    })
    client.on('error', () => undefined)
    sockets.push(client)
    client.connect()
    return client
  }
  const inTime = async <T>(asked: Promise<T>): Promise<T> => {
    const begun = performance.now()
    const answer = await asked
    expect(performance.now() - begun).toBeLessThan(answerMs)
    return answer
  }

  beforeAll(async () => {
    ;[redis, postgres] = await Promise.all([ownRedis(), ownPostgres()])
    sql = postgresDriver(postgres.url, { max: 1, onnotice: () => undefined })
    const prober = { enabled: true, intervalMs: 500, auditIntervalMs: 1_000 }
    ;[a, urlA] = await start('a', { prober })
    ;[b, urlB] = await start('b', { prober })
    viewer = consoleAt(urlA, viewerToken)
    operator = consoleAt(urlA, operatorToken)
  }, 120_000)
  afterAll(async () => {
    for (const each of sockets) each.disconnect()
    redis?.goOn()
    postgres?.goOn()
    await sql?.end({ timeout: 1 })
    await Promise.all(started.map(node => node.close()))
    await Promise.all([redis?.stop(), postgres?.stop()])
  })

  it('lets in who has a token, and lets only operators act', async () => {
    const nobody = await consoleAt(urlA).status('overview')
    expect(nobody.status).toBe(401)
    expect(nobody.body).toMatchObject({ error: { code: 'NOT_AUTHENTICATED', temporary: false } })
    expect(nobody.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(nobody.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await viewer.read('me')).toMatchObject({ name: 'vic', role: 'viewer', open: false, tail: true })
    const act = { group: 'receipts', act: 'pause' } as const
    await expect(viewer.act('group', act)).rejects.toMatchObject({ status: 403, code: 'NOT_PERMITTED' })
    expect((await viewer.read('groups')).groups.value?.[0]).toMatchObject({ name: 'receipts', paused: false })
    await expect(operator.act('group', { ...act, group: 'none' })).rejects.toMatchObject({ status: 400 })
    for (const bad of ['receipts\u0000', 'half \ud800'])
      await expect(operator.act('group', { ...act, group: bad })).rejects.toMatchObject({ status: 400 })
    expect((await viewer.status('parked?channel=%00')).status).toBe(400)
    await expect(operator.act('group', { act: 'stop' } as never)).rejects.toMatchObject({
      status: 400,
      code: 'REQUEST_INVALID',
    })
    const guesser = consoleAt(urlA, 'a-wrong-token-of-some-length')
    for (let i = 0; i < 20; i++) expect((await guesser.status('me')).status).toBe(401)
    const limited = await guesser.status('me')
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, expect.any(String)])
    expect((await viewer.read('me')).name).toBe('vic')
  })

  it('knows every node, what has changed, and how much there is, compared with last week', async () => {
    await until('both nodes are heard', async () => {
      const { nodes } = await viewer.read('overview')
      return nodes.length === 2 && nodes.every(({ heard, via }) => heard && via !== 'postgres')
    })
    const { nodes, skew } = await viewer.read('overview')
    expect(nodes.map(({ sheet, via }) => [sheet.name, via])).toEqual([
      ['a', 'node'],
      ['b', 'bus'],
    ])
    expect(skew.configs).toHaveLength(1)
    await until('both tiers deliver, and nothing is lost', async () => {
      const { tiers, lost } = await viewer.read('overview')
      return [tiers.realtime, tiers.durable, lost].every(({ verdict }) => verdict === 'good')
    })
    const { marks } = await viewer.read('marks', { kind: 'node_started' })
    expect(marks.value?.map(({ node }) => node).sort()).toEqual(['a', 'b'])

    const minute = Math.floor(Date.now() / 60_000) * 60_000
    await sql`
      insert into holdfast.node_minutes (minute, node, connections, published_durable)
      select ${minute} - 7 * 86400000::bigint - i * 60000, 'old', 5, 600 from generate_series(0, 9) as i`
    const channel = unique('order:')
    for (let i = 0; i < 20; i++) await b.append(channel as never, 'Good' as never, { i } as never)
    await until('the rates move', async () => {
      const { nodes: now } = await viewer.read('overview')
      return now.some(({ sheet }) => sheet.name === 'b' && (sheet.perSecond['published.durable'] ?? 0) > 0)
    })
    await until('Postgres has the rates', async () => {
      const { now } = await viewer.read('rates', { minutes: 10 })
      return now.value?.['published.durable']?.some(rate => (rate ?? 0) > 0) ?? false
    })
    const rates = await viewer.read('rates', { minutes: 10 })
    expect(rates.now.source).toBe('postgres')
    expect(rates.lastWeek.value?.['published.durable']).toContain(10)
    expect(rates.connectionsLastWeek.value).toContain(5)
  })

  it('says who is hit, on whichever node, and what became of one event', async () => {
    const channel = unique('room:busy-')
    const durable = unique('order:')
    const publishing = setInterval(() => void b.publish(channel as never, { x: 1 } as never), 10)
    const top = await viewer.read('top', { seconds: 1 }).finally(() => clearInterval(publishing))
    expect(top.nodes).toEqual(['a', 'b'])
    expect(top.channels.find(each => each.channel === channel)?.publications).toBeGreaterThan(1)

    const { id, offset } = await a.append(durable as never, 'Bad' as never, { amount: 7 } as never)
    await until('the delivery is parked', async () => {
      const { parked } = await viewer.read('parked', { channel: durable })
      return parked.value?.count === 1
    })
    for (const place of [{ id }, { channel: durable, offset }]) {
      const { stories } = await viewer.read('event', place)
      expect(stories.value).toMatchObject([
        {
          channel: durable,
          offset,
          ledger: 'recorded',
          mirrored: true,
          subscribers: 0,
          data: '{"amount":7}',
        },
      ])
      expect(stories.value?.[0]?.consumers).toContainEqual(
        expect.objectContaining({ consumer: 'group/receipts', state: 'parked' }),
      )
    }
    await until('who has read what it says is in the audit log, once', async () => {
      const { acts } = await viewer.read('acts', { target: durable })
      const told = acts.value?.map(({ actor, act, target }) => [actor, act, target])
      return (
        JSON.stringify(told) ===
        JSON.stringify([['console:vic', 'read_event', `channel ${durable} at ${offset}`]])
      )
    })
    const { lags } = await viewer.read('lags')
    expect(lags.value).toContainEqual(
      expect.objectContaining({ part: 'group', name: 'receipts', note: expect.stringContaining('parked') }),
    )
  })

  it('acts on parked deliveries after a preview, which the act has to repeat', async () => {
    const channel = unique('order:')
    await a.append(channel as never, 'Bad' as never, 1 as never)
    const count = async () => (await viewer.read('parked', { channel })).parked.value?.count
    await until('it is parked', async () => (await count()) === 1)
    const selection = { filter: { channel } }
    const preview = await operator.act('parked_preview', { act: 'discard', selection })
    expect(preview).toMatchObject({ count: 1, reasons: [{ consumer: 'group/receipts', count: 1 }] })
    const refusals = [
      { preview: preview.preview, count: 1 },
      { preview: preview.preview, count: 2, reason: 'wrong number' },
      { preview: 'bm9uZQ', count: 1, reason: 'unknown' },
    ]
    for (const wish of refusals)
      await expect(operator.act('parked_act', wish)).rejects.toMatchObject({ code: 'REQUEST_INVALID' })
    await expect(viewer.act('parked_act', { ...preview })).rejects.toMatchObject({ status: 403 })
    expect(await count()).toBe(1)
    // Behind a balancer the next call may come to another node.
    const other = consoleAt(urlB, operatorToken)
    const begun = await other.act('parked_act', { preview: preview.preview, count: 1, reason: 'a test' })
    await until('it is done', async () => (await operator.act('parked_progress', { id: begun.id })).done)
    expect(await operator.act('parked_progress', { id: begun.id })).toMatchObject({
      ...{ total: 1, changed: 1, notParked: 0, problem: null },
    })
    expect(await count()).toBe(0)
    await until('the act is in the audit log', async () => {
      const { acts } = await viewer.read('acts', { actor: 'console:ann' })
      const outcomes = acts.value?.filter(({ act }) => act === 'discard_parked').map(({ outcome }) => outcome)
      return (
        outcomes?.some(each => each === 'done: 1 of 1') && outcomes.some(each => each.startsWith('refused'))
      )
    })
  })

  it('makes a namespace read-only on every node, also on one that starts later', async () => {
    const append = (hf: Holdfast) => hf.append(unique('frozen:') as never, 'T' as never, 1 as never)
    await append(b)
    const wish = { namespace: 'frozen', readOnly: true, reason: 'an incident' }
    expect(await operator.act('namespace', wish)).toMatchObject({ changed: true })
    expect(await operator.act('namespace', wish)).toMatchObject({ changed: false })
    await expect(append(a)).rejects.toMatchObject({ code: 'READ_ONLY' })
    await expect(a.command(unique('frozen:') as never, 'bump')).rejects.toMatchObject({ code: 'READ_ONLY' })
    await until('b refuses, too', () =>
      append(b).then(
        () => false,
        error => error.code === 'READ_ONLY',
      ),
    )
    const [late] = await start('late')
    await expect(append(late)).rejects.toMatchObject({ code: 'READ_ONLY', remedy: 'retry_later' })
    await sql`insert into holdfast.outbox (channel, type, data, event_id)
      values ('frozen:outbox', 'T', '1', gen_random_uuid())`
    const { namespaces } = await consoleAt(urlB, viewerToken).read('namespaces')
    expect(namespaces.find(({ name }) => name === 'frozen')?.readOnly).toMatchObject({ by: 'console:ann' })
    const told = await (await fetch(`${urlA}/metrics`)).text()
    expect(told).toMatch(/holdfast_namespace_read_only\{.*namespace="frozen".*\} 1/)
    expect(told).toMatch(/holdfast_namespace_read_only\{.*namespace="order".*\} 0/)
    expect((await a.history('frozen:outbox' as never)).offset).toBe(0)
    await operator.act('namespace', { namespace: 'frozen', readOnly: false })
    const taken = (hf: Holdfast) =>
      append(hf).then(
        () => true,
        () => false,
      )
    await until('all take events again', async () => (await taken(a)) && (await taken(b)) && taken(late))
    await until('what waited in the outbox is recorded', async () => {
      return (await a.history('frozen:outbox' as never)).offset === 1
    })
    for (const namespace of ['nowhere', '~durable'])
      await expect(operator.act('namespace', { namespace, readOnly: true })).rejects.toMatchObject({
        status: 400,
      })
    await late.close()
  })

  it('tails any channel unseen with a console token, and lets it do nothing else', async () => {
    const [room, order] = [unique('room:'), unique('order:')]
    const heard: unknown[] = []
    const client = socket(urlB, viewerToken)
    for (const channel of [room, order]) {
      const subscription = client.newSubscription(channel)
      subscription.on('publication', ({ data }) => heard.push(data))
      subscription.subscribe()
      await subscription.ready(30_000)
    }
    await a.publish(room as never, 'signal' as never)
    await a.append(order as never, 'T' as never, 'event' as never)
    await until('both have come', () => heard.length === 2)
    expect((await client.history(order, { limit: 10 })).publications).toHaveLength(1)
    expect((await a.presence(room as never)).size).toBe(0)
    const attempts = [
      client.publish(room, 1),
      client.publish(order, 1),
      client.rpc('holdfast.signal', { channel: room, data: 1 }),
      client.rpc('holdfast.ack', { channel: order, cursor: 'c', offset: 1 }),
    ]
    for (const attempt of attempts) await expect(attempt).rejects.toMatchObject({ code: 103 })
    await until('each tail is an act', async () => {
      const { acts } = await viewer.read('acts', { actor: 'console:vic' })
      const targets = acts.value?.map(({ act, target }) => `${act} ${target}`) ?? []
      return [room, order].every(
        channel => targets.filter(each => each === `tail channel ${channel}`).length === 1,
      )
    })
  })

  it('is not there without tokens, is everybody’s where the node is insecure, and may listen by itself', async () => {
    const nowhere = { console: {} }
    const [closed, none] = await start('none', nowhere)
    expect((await consoleAt(none).status('me')).status).toBe(404)
    const [insecure, open] = await start('open', { ...nowhere, auth: { insecure: true } })
    expect(await consoleAt(open).read('me')).toMatchObject({
      name: 'developer',
      role: 'operator',
      open: true,
    })
    const port = await freePort()
    const [apart, main] = await start('alone', {
      console: { tokens: [{ name: 'ann', token: operatorToken }], port },
    })
    expect((await consoleAt(main, operatorToken).status('me')).status).toBe(404)
    const alone = `http://127.0.0.1:${port}`
    expect(await consoleAt(alone, operatorToken).read('me')).toMatchObject({ role: 'viewer', tail: true })
    await socket(alone, operatorToken).ready(30_000)
    // A page of a foreign origin can send text without the server's consent.
    const foreign = { method: 'POST', body: JSON.stringify({ group: 'receipts', act: 'pause' }) }
    expect((await consoleAt(open).status('group', foreign)).status).toBe(400)
    await Promise.all([closed, insecure, apart].map(node => node.close()))
  }, 90_000)

  it('answers with Redis hung: nodes hear of each other through Postgres', async () => {
    redis.hang()
    try {
      await until('b is seen through Postgres, and its breaker', async () => {
        const { nodes, sources } = await inTime(viewer.read('overview'))
        const other = nodes.find(({ sheet }) => sheet.name === 'b')
        const bus = other?.sheet.breakers.find(({ role }) => role === 'bus')
        return (
          sources.find(({ name }) => name === 'bus')?.state === 'silent' &&
          other?.via === 'postgres' &&
          other.heard &&
          bus !== undefined &&
          bus.state !== 'passing'
        )
      })
      await until('realtime is known not to reach other nodes', async () => {
        const { tiers } = await inTime(viewer.read('overview'))
        return tiers.realtime.verdict === 'degraded' || tiers.realtime.verdict === 'bad'
      })
      const { marks } = await inTime(viewer.read('marks', { kind: 'breaker' }))
      expect(marks.value?.some(({ says }) => says.includes('breaker bus'))).toBe(true)
      const paths = ['lags', 'rates', 'groups', 'jobs', 'parked', 'acts', 'namespaces'] as const
      // At once, as a page asks.
      const [{ silent }] = await Promise.all([
        inTime(viewer.read('top', { seconds: 1 })),
        ...paths.map(path => inTime(viewer.read(path))),
      ])
      expect(silent).toContain('b')
    } finally {
      redis.goOn()
    }
    await until('b is heard over the bus again', async () => {
      const { nodes } = await viewer.read('overview')
      return nodes.some(({ sheet, via }) => sheet.name === 'b' && via === 'bus')
    })
  })

  it('answers with Postgres hung: what was known with its age, what the mirror has, and what the nodes say', async () => {
    const channel = unique('order:')
    const { offset } = await a.append(channel as never, 'Good' as never, { hot: true } as never)
    await until('the mirror has it', async () => {
      const { nodes } = await viewer.read('overview')
      const { stories } = await viewer.read('event', { channel, offset })
      return nodes[0]?.sheet.parts.mirror === 'ready' && stories.value?.[0]?.mirrored === true
    })
    await viewer.read('lags')
    const groups = await viewer.read('groups')
    postgres.hang()
    try {
      await until('Postgres is known to be silent', async () => {
        const { lags, sources } = await inTime(viewer.read('lags'))
        return (
          lags.problem !== null &&
          sources.some(({ name, state }) => name === 'postgres' && state === 'silent')
        )
      })
      const { lags } = await inTime(viewer.read('lags'))
      expect(lags.value).not.toBeNull()
      expect(lags.at).toBeLessThan(Date.now())
      // What several people ask is answered once within a second: the first answer may still be the one of before.
      const silent = await until('groups are told with the silence of Postgres', async () => {
        const answer = await inTime(viewer.read('groups'))
        return answer.groups.problem === null ? undefined : answer
      })
      expect(silent.groups.value).toEqual(groups.groups.value)
      const overview = await inTime(viewer.read('overview'))
      expect(overview.nodes.filter(({ heard }) => heard).map(({ via }) => via)).toContain('bus')
      const rates = await inTime(viewer.read('rates', { minutes: 10 }))
      expect([rates.now.source, rates.lastWeek.value]).toEqual(['bus', null])
      expect(rates.now.value?.['published.durable']?.some(each => (each ?? 0) > 0)).toBe(true)
      const { stories } = await inTime(viewer.read('event', { channel, offset }))
      expect(stories).toMatchObject({ problem: expect.any(String), value: [{ data: '{"hot":true}' }] })
      await expect(
        inTime(operator.act('namespace', { namespace: 'order', readOnly: true })),
      ).rejects.toMatchObject({ status: 503 })
      expect(
        await operator.act('breaker', { role: 'jobs', act: 'hold_passing', reason: 'a test' }),
      ).toMatchObject({
        changed: true,
      })
    } finally {
      postgres.goOn()
    }
    await until('what was done meanwhile is written down', async () => {
      const { acts } = await viewer.read('acts', { actor: 'console:ann' })
      return acts.value?.some(({ id, act }) => id > 0 && act === 'hold_passing_breaker') ?? false
    })
    await operator.act('breaker', { role: 'jobs', act: 'release' })
  })

  it('answers with both hung: what this node knows by itself', async () => {
    redis.hang()
    postgres.hang()
    try {
      await until('both are silent', async () => {
        const { sources } = await inTime(viewer.read('overview'))
        return sources.filter(({ state }) => state === 'silent').length === 2
      })
      const { nodes } = await inTime(viewer.read('overview'))
      expect(nodes[0]).toMatchObject({ own: true, heard: true, sheet: { name: 'a' } })
      const paths = ['me', 'lags', 'rates', 'marks', 'acts', 'parked', 'projections', 'jobs'] as const
      await Promise.all(paths.map(path => inTime(viewer.read(path))))
    } finally {
      redis.goOn()
      postgres.goOn()
    }
    await until('all answer again', async () => {
      const { sources } = await viewer.read('overview')
      return sources.every(({ state }) => state === 'answering')
    })
  })
})
