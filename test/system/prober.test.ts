import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { createHoldfast, type Holdfast } from '../../src/app/index.ts'
import { connectPostgres, connectRedis, type Sql } from '../../src/platform/index.ts'
import type { ProbeSummary } from '../../src/prober/index.ts'
import { holdfast } from '../support/command.ts'
import { consoleAt } from '../support/console-caller.ts'
import { type FreshDatabase, freshDatabase } from '../support/database.ts'
import { FrameClient } from '../support/frame-client.ts'
import { type OwnServer, ownRedis } from '../support/own-servers.ts'
import { until } from '../support/until.ts'

const everyone: 'anonymous'[] = ['anonymous']
const all = { subscribe: everyone, publish: everyone, append: everyone, history: everyone }
const consoleToken = 'a-token-of-the-console'
const paths = ['accept', 'local', 'other']
const limitMs = 60_000

let redis: OwnServer
let database: FreshDatabase
let superuser: Sql
const logged: Record<string, unknown>[] = []
const nodes: Holdfast[] = []
const ports: number[] = []
const handled: string[] = []

async function start(): Promise<Holdfast> {
  const hf = await create({ url: redis.url, prefix: 'probed' }, database.url)
  hf.group('everything').on('*', '*', async ({ channel }) => {
    handled.push(channel)
  })
  const { port } = await hf.listen()
  nodes.push(hf)
  ports.push(port)
  return hf
}

async function create(
  redisOf: { url: string; prefix: string },
  databaseUrl: string,
  role: 'all' | 'worker' = 'all',
): Promise<Holdfast> {
  const logger = pino({ level: 'warn' }, { write: line => void logged.push(JSON.parse(line)) })
  return createHoldfast({
    role,
    http: { host: '127.0.0.1', port: 0 },
    redis: redisOf,
    postgres: { url: databaseUrl, migrate: true, poolSize: 2, retentionIntervalMs: 200 },
    namespaces: {
      room: { tier: 'realtime', allow: all },
      order: { tier: 'durable', allow: all },
      brief: { tier: 'durable', allow: all, retention: { maxEvents: 3 } },
    },
    prober: { enabled: true, intervalMs: 150, deadlineMs: 4_000, auditIntervalMs: 1_000 },
    auth: { insecure: true },
    api: { key: 'key' },
    console: { tokens: [{ name: 'ops', role: 'viewer', token: consoleToken }] },
    limits: { drainSpreadMs: 0 },
    logger,
  })
}

beforeAll(async () => {
  redis = await ownRedis()
  database = await freshDatabase(inject('postgresUrl'))
  superuser = connectPostgres(database.url, { max: 1, applicationName: 'test-superuser' })
  await start()
  await start()
})

afterAll(async () => {
  await Promise.all(nodes.map(node => node.close()))
  await superuser.end({ timeout: 1 })
  await redis.stop()
  await database.drop()
})

function probe(hf: Holdfast, tier: ProbeSummary['tier'], path: string): ProbeSummary {
  const found = hf.prober?.probes.find(each => each.tier === tier && each.path === path)
  if (!found) throw new Error(`nothing is probed by ${tier} ${path}`)
  return found
}

/** Whether every path of a tier has succeeded since. */
function succeeds(hf: Holdfast, tier: 'realtime' | 'durable', since: number, wanted = paths): boolean {
  return wanted.every(path => (probe(hf, tier, path).succeededAt ?? 0) > since)
}

interface ApiAnswer {
  readonly result?: { readonly nodes?: readonly unknown[]; readonly channels?: object }
  readonly error?: { readonly code: number }
}

const failures = (hf: Holdfast) => hf.prober?.probes.filter(({ failed }) => failed > 0)

/** The ledger's protection is against mistakes; here somebody means it. */
async function asSuperuser(statement: string): Promise<number> {
  return superuser.begin(async sql => {
    await sql.unsafe('set local session_replication_role = replica')
    return (await sql.unsafe(statement)).count
  })
}

const metricsOf = async (port: number) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()

async function metric(name: string): Promise<number> {
  const texts = await Promise.all(ports.map(metricsOf))
  const values = texts.flatMap(text => [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)`, 'gm'))])
  return values.reduce((sum, [, value]) => sum + Number(value), 0)
}

describe('canaries of two nodes', () => {
  it(
    'find that both tiers deliver, each by its own node and by the other, and fail nowhere',
    async () => {
      for (const hf of nodes) {
        await until(
          'everything has succeeded',
          () => succeeds(hf, 'realtime', 0) && succeeds(hf, 'durable', 0),
        )
        expect(hf.prober?.listeners).toBe(1)
        expect(failures(hf)).toEqual([])
        expect(probe(hf, undefined, 'connect').succeeded).toBeGreaterThan(0)
        expect(probe(hf, 'durable', 'other').latencyMs).toBeGreaterThan(0)
      }
      expect(await metric('holdfast_probe_latency_count')).toBeGreaterThan(10)
      expect(await metric('holdfast_probe_listeners')).toBe(2)
    },
    limitMs,
  )

  it(
    'are nobody’s clients, and their channels are nowhere',
    async () => {
      const [a] = nodes as [Holdfast]
      const channel = `order:${randomUUID()}`
      await a.append(channel, 'Placed', {})
      await until('the group has handled it', () => handled.includes(channel))
      expect(handled.filter(each => !each.startsWith('order:'))).toEqual([])

      const api = async (method: string, body: object): Promise<ApiAnswer> => {
        const headers = { 'x-api-key': 'key', 'content-type': 'application/json' }
        const request = { method: 'POST', headers, body: JSON.stringify(body) }
        return (
          await fetch(`http://127.0.0.1:${ports[0]}/api/${method}`, request)
        ).json() as Promise<ApiAnswer>
      }
      const info = await api('info', {})
      expect(info.result?.nodes).toHaveLength(2)
      for (const node of info.result?.nodes ?? [])
        expect(node).toMatchObject({ num_clients: 0, num_channels: 0 })
      expect((await api('channels', {})).result?.channels).toEqual({})
      for (const name of ['connections', 'subscriptions', 'channels'])
        expect([name, await metric(`holdfast_${name}`)]).toEqual([name, 0])
      for (const channel of ['~realtime:1', '~durable:1', '$~durable:1']) {
        expect((await api('publish', { channel, data: {} })).error).toMatchObject({ code: 102 })
        expect((await api('history', { channel })).error).toMatchObject({ code: 102 })
        await expect(a.publish(channel, {})).rejects.toMatchObject({ code: 'CHANNEL_UNKNOWN' })
      }
      const client = await FrameClient.connected(`ws://127.0.0.1:${ports[0]}/connection/websocket`)
      client.send({ id: 2, subscribe: { channel: '~durable:1' } })
      expect(await client.expectError(2)).toBe(102)
      client.send({ id: 3, publish: { channel: '~realtime:1', data: {} } })
      expect(await client.expectError(3)).toBe(102)
      client.close()
    },
    limitMs,
  )

  it(
    'tell that signals do not reach the other node while Redis is away, as is to be expected, and events do',
    async () => {
      await redis.kill()
      const since = Date.now()
      for (const hf of nodes) {
        await until('events arrive by both ways', () => succeeds(hf, 'durable', since))
        await until('signals arrive by the own node', () =>
          succeeds(hf, 'realtime', since, ['accept', 'local']),
        )
        await until('it is told', () => probe(hf, 'realtime', 'other').degraded > 0, limitMs)
      }
      await redis.startAgain()
      const back = Date.now()
      for (const hf of nodes) {
        await until('signals reach the other node again', () => succeeds(hf, 'realtime', back), limitMs)
        expect(failures(hf)).toEqual([])
      }
    },
    2 * limitMs,
  )

  it(
    'do not count a node that goes',
    async () => {
      const third = await start()
      await until(
        'it takes part',
        () => succeeds(third, 'durable', 0) && succeeds(third, 'realtime', 0),
        limitMs,
      )
      await third.close()
      nodes.pop()
      ports.pop()
      for (const hf of nodes) await until('nobody waits for it', () => hf.prober?.listeners === 1)
      expect(failures(third)).toEqual([])
    },
    limitMs,
  )
})

describe('the auditor', () => {
  it(
    'finds nothing where nothing is wrong, of what retention has removed and what was erased neither',
    async () => {
      const [a] = nodes as [Holdfast]
      const brief = `brief:${randomUUID()}`
      for (let n = 0; n < 9; n++) await a.append(brief, 'Noted', { n })
      await until('retention has removed some', async () => {
        const { publications } = await a.history(brief)
        return publications.length === 3
      })
      await a.operations.erasure.erase({
        channel: brief,
        event: { offset: 8 },
        actor: 'test',
        reason: 'test',
      })
      const again = completedTwice(Date.now())
      await until('everything was gone through again', () => nodes.some(again), limitMs)
      const text = await (await fetch(`http://127.0.0.1:${ports[0]}/metrics`)).text()
      const other = await (await fetch(`http://127.0.0.1:${ports[1]}/metrics`)).text()
      for (const what of ['acknowledged', 'received', 'ledger', 'mirror', 'history'])
        expect(text + other).toMatch(new RegExp(`holdfast_audit_checked_total\\{what="${what}"\\} [1-9]`))
      expect(await metric('holdfast_audit_lost')).toBe(0)
      expect(await metric('holdfast_audit_mismatches_total')).toBe(0)
      for (const kind of [
        'mirror_missing',
        'mirror_other',
        'history_other',
        'erased_copy',
        'received_missing',
      ])
        for (const node of [text, other])
          expect(node).toContain(`holdfast_audit_mismatches_total{kind="${kind}"} 0`)
      for (const hf of nodes) expect(hf.prober?.audit).toMatchObject({ lost: 0, mismatches: {} })
      expect(nodes.filter(hf => hf.prober?.audit.leading)).toHaveLength(1)
    },
    2 * limitMs,
  )

  it(
    'finds entries of the mirror that are missing or tell something else',
    async () => {
      const [a] = nodes as [Holdfast]
      const channel = await quietChannel(a)
      const { epoch } = await a.append(channel, 'Placed', { n: 0 })
      for (let n = 1; n < 6; n++) await a.append(channel, 'Placed', { n })
      const [row] = await superuser<{ partition: number; position: number }[]>`
      select partition, max(position) as position from holdfast.events where channel = ${channel} group by partition`
      const { partition = 0, position = 0 } = row ?? {}
      const tool = connectRedis(redis.url, 'command', 'test')
      await until('redis answers', () => tool.status === 'ready')
      const tag = `{${epoch}.${partition}}`
      await until('it is mirrored', async () => Number(await tool.hget(`${tag}:meta`, 'last')) >= position)
      const entries = await tool.xrange(`${tag}:log`, '-', '+')
      const forged = tool.multi().del(`${tag}:log`)
      for (const [id, fields] of entries) {
        const ours = fields[1] === channel
        if (ours && fields[3] === '4') continue
        const line = fields[5] ?? ''
        forged.xadd(
          `${tag}:log`,
          id,
          'c',
          fields[1] ?? '',
          'o',
          fields[3] ?? '',
          'l',
          ours && fields[3] === '5' ? line.replace('"n":3', '"n":9') : line,
        )
      }
      const history = await until(
        'there is a history',
        async () => (await tool.keys(`${tag}:h:*:${channel}`))[0],
      )
      const kept = await tool.xrange(history, '-', '+')
      forged.del(history)
      for (const [id, [, line = '']] of kept) forged.xadd(history, id, 'l', line.replace('"n":5', '"n":8'))
      await forged.exec()
      for (const kind of ['mirror_missing', 'mirror_other', 'history_other']) {
        const told = () => logged.find(each => each['kind'] === kind && each['channel'] === channel)
        await until(`${kind} is told`, told, limitMs)
        expect(await metric('holdfast_audit_mismatches_total')).toBeGreaterThan(0)
      }
      expect(await metric('holdfast_audit_lost')).toBe(0)
      tool.disconnect()
    },
    2 * limitMs,
  )

  it(
    'finds an event that has gone from the ledger, in the middle of its channel or at its end',
    async () => {
      const [a] = nodes as [Holdfast]
      for (const hf of nodes) expect(failures(hf)).toEqual([])
      const [middle, end] = [`order:${randomUUID()}`, `order:${randomUUID()}`]
      for (const channel of [middle, end])
        for (let n = 0; n < 5; n++) await a.append(channel, 'Placed', { n })
      expect(
        await asSuperuser(`delete from holdfast.events where channel = '${middle}' and "offset" = 2`),
      ).toBe(1)
      const told = (channel: string, offset: number) =>
        logged.some(each => each['level'] === 50 && each['channel'] === channel && each['offset'] === offset)
      await until('it is named', () => told(middle, 2), limitMs)
      await until('it counts', async () => (await metric('holdfast_audit_lost')) >= 1, limitMs)
      expect(Math.max(...nodes.map(hf => hf.prober?.audit.lost ?? 0))).toBe(1)
      // Of the partition's last one the mirror tells, and nodes stop to append.
      expect(await asSuperuser(`delete from holdfast.events where channel = '${end}' and "offset" = 5`)).toBe(
        1,
      )
      await until('it is named', () => told(end, 5), limitMs)
    },
    2 * limitMs,
  )
})

describe('a known loss', () => {
  it(
    'stays known when the process that has found it restarts, and is found again by the next one',
    async () => {
      while (nodes.length < 2) await start()
      const leads = (hf: Holdfast) => hf.prober?.audit.leading === true
      const found = (hf: Holdfast) => leads(hf) && (hf.prober?.audit.lost ?? 0) >= 2
      const goes = await until('both are found', () => nodes.find(found), limitMs)
      const at = nodes.indexOf(goes)
      const verdict = async (port = 0) =>
        (await consoleAt(`http://127.0.0.1:${port}`, consoleToken).read('overview')).lost.verdict
      await until(
        'the console of the other says so',
        async () => (await verdict(ports[1 - at])) === 'bad',
        limitMs,
      )
      // Not before it is closed: nobody else would, and a second attempt would find it auditing.
      nodes.splice(at, 1)
      ports.splice(at, 1)
      const stopped = goes.close()
      const [stays] = nodes as [Holdfast]
      const told: string[] = []
      await until(
        'the other one has found both',
        async () => {
          told.push(await verdict(ports[0]))
          return found(stays)
        },
        limitMs,
      )
      await stopped
      const back = await start()
      await until(
        'the one that is back says so too',
        async () => (await verdict(ports[1])) === 'bad',
        limitMs,
      )
      told.push(await verdict(ports[0]))
      expect(new Set(told)).toEqual(new Set(['bad']))
      expect(leads(back)).toBe(false)
      expect(await metric('holdfast_audit_lost')).toBeGreaterThanOrEqual(2)
    },
    5 * limitMs,
  )
})

describe('canaries of nodes that share a ledger', () => {
  let other: OwnServer
  let base: FreshDatabase
  const apart: Holdfast[] = []
  beforeAll(async () => {
    other = await ownRedis()
    base = await freshDatabase(inject('postgresUrl'))
    apart.push(
      await create({ url: redis.url, prefix: 'apart' }, base.url),
      await create({ url: other.url, prefix: 'apart' }, base.url),
      await create({ url: other.url, prefix: 'apart' }, base.url, 'worker'),
    )
  })
  afterAll(async () => {
    await Promise.all(apart.map(hf => hf.close()))
    await other.stop()
    await base.drop()
  })

  it(
    'and no Redis say that nobody listens to them, which a worker beside them does not',
    async () => {
      const [a, b, worker] = await Promise.all(apart.map(async hf => (await hf.listen()).port))
      for (const hf of apart.slice(0, 2))
        await until('it serves', () => succeeds(hf, 'durable', 0, ['accept', 'local']), limitMs)
      for (const port of [a, b]) {
        const text = await metricsOf(port ?? 0)
        expect(text).toMatch(/^holdfast_probe_listeners(\{.*\})? 0$/m)
        expect(text).toMatch(/^holdfast_bus_connected(\{.*\})? 1$/m)
      }
      const hears = async (port = 0) =>
        Number(/^holdfast_bus_nodes(?:\{.*\})? (\d+)$/m.exec(await metricsOf(port))?.[1])
      // Of three processes nobody hears all: one is alone.
      for (const port of [b, worker])
        await until('it hears the other on its Redis', async () => (await hears(port)) === 2)
      expect(await hears(a)).toBe(1)
      const text = await metricsOf(worker ?? 0)
      expect(text).toContain('holdfast_audit_lost')
      expect(text).not.toMatch(/^holdfast_probe_listeners/m)
    },
    2 * limitMs,
  )

  it(
    'hear over it that one goes, while Redis is away',
    async () => {
      const [, stays] = apart as [Holdfast, Holdfast]
      const goes = await create({ url: other.url, prefix: 'apart' }, base.url)
      await goes.listen()
      for (const hf of [stays, goes]) await until('they hear each other', () => hf.prober?.listeners === 1)
      await until('it has appended', () => succeeds(goes, 'durable', 0), limitMs)
      await other.kill()
      for (const hf of [stays, goes])
        await until('it is told', () => probe(hf, 'realtime', 'other').degraded > 0, limitMs)
      await goes.close()
      await until('nobody waits for it', () => stays.prober?.listeners === 0)
    },
    2 * limitMs,
  )
})

describe('holdfast audit', () => {
  it(
    'names what is lost, once, and ends with 1',
    async () => {
      const env = { DATABASE_URL: database.url, REDIS_URL: redis.url }
      const told = await holdfast(['audit', '--json'], env)
      const report = told.json<{ lost: number; mirrored: number }>()
      expect(report.lost).toBe(2)
      expect(report.mirrored).toBeGreaterThan(0)
      expect(told.code).toBe(1)
      const other = await freshDatabase(inject('postgresUrl'))
      await holdfast(['migrate'], { DATABASE_URL: other.url })
      const clean = await holdfast(['audit'], { DATABASE_URL: other.url })
      expect(clean).toMatchObject({ code: 0, stdout: expect.stringMatching(/lost +nothing/) })
      await other.drop()
    },
    2 * limitMs,
  )
})

/** A channel in a partition where no canary appends: what is done to its log by hand is not mended by the next append. */
async function quietChannel(hf: Holdfast): Promise<string> {
  const busy = await superuser<{ partition: number }[]>`
    select distinct partition from holdfast.events where channel like '~%'`
  for (;;) {
    const channel = `order:${randomUUID()}`
    await hf.append(channel, 'Placed', { n: -1 })
    const [row] = await superuser<{ partition: number }[]>`
      select partition from holdfast.events where channel = ${channel}`
    if (!busy.some(({ partition }) => partition === row?.partition)) return channel
  }
}

/** Whether the node that audits has been through all partitions twice since. */
function completedTwice(since: number): (hf: Holdfast) => boolean {
  const seen = new Set<number>()
  return hf => {
    const { completedAt = 0 } = hf.prober?.audit ?? {}
    if (completedAt > since) seen.add(completedAt)
    return seen.size >= 2
  }
}
