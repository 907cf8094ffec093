import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { sql as raw } from 'drizzle-orm'
import { integer, text } from 'drizzle-orm/pg-core'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import {
  channelActivity,
  createHoldfast,
  defineProjection,
  defineReducer,
  type Holdfast,
} from '../../src/app/index.ts'
import { type Client, createClient } from '../../src/client/index.ts'
import { connectPostgres, type Sql } from '../../src/platform/index.ts'
import { holdfast } from '../support/command.ts'
import { type FreshDatabase, freshDatabase } from '../support/database.ts'
import { until } from '../support/until.ts'

interface Change {
  readonly table: string
  readonly key: Record<string, unknown>
  readonly row: Record<string, unknown> | null
}
interface Told {
  readonly projection: string
  readonly version: number
  readonly build: number
  readonly n?: number
  readonly changes?: readonly Change[]
  readonly reset?: boolean
}

const accounts = defineReducer({
  name: 'accounts',
  version: 1,
  channels: 'account:{id}',
  initial: () => ({ cents: 0 }),
  evolve: ({ cents }, { type, data }) =>
    (type as string) === 'Closed' ? null : { cents: cents + (data as { cents: number }).cents },
  changes: 'live:accounts',
})

const words = defineProjection({
  name: 'words',
  version: 1,
  channels: 'said:{room}',
  tables: schema => ({
    spoken: schema.table('words', {
      word: text().primaryKey(),
      lastRoom: text('last_room').notNull(),
      times: integer().notNull(),
    }),
  }),
  async apply(events, { db, tables, changed }) {
    const said = events.map(({ data, params }) => ({
      word: (data as { word: string }).word,
      lastRoom: params.room,
    }))
    for (const one of said)
      await db
        .insert(tables.spoken)
        .values({ ...one, times: 1 })
        .onConflictDoUpdate({
          target: tables.spoken.word,
          set: { times: raw`${tables.spoken.times} + 1`, lastRoom: one.lastRoom },
        })
    changed(tables.spoken, said)
  },
  // Where each change goes is the row's own business.
  changes: ({ row }) => (row?.['last_room'] === 'secret' ? undefined : `pulse:${row?.['last_room']}`),
})

interface Report {
  readonly active: number | null
  readonly builds: readonly { readonly build: number; readonly state: string }[]
}

let database: FreshDatabase
let sql: Sql
let hf: Holdfast
let address: string
let client: Client
let env: Record<string, string>
let accountsHeard: readonly Told[]
beforeAll(async () => {
  database = await freshDatabase(inject('postgresUrl'))
  env = { DATABASE_URL: database.url }
  sql = connectPostgres(database.url, { max: 2, applicationName: 'holdfast-test' })
  hf = await createHoldfast({
    http: { host: '127.0.0.1', port: 0 },
    redis: { url: inject('redisUrl'), prefix: `t${randomBytes(4).toString('hex')}` },
    postgres: { url: database.url, migrate: true },
    namespaces: {
      account: { tier: 'durable' },
      said: { tier: 'durable' },
      live: { tier: 'durable', allow: { subscribe: ['anonymous'], history: ['anonymous'] } },
      pulse: { tier: 'realtime', allow: { subscribe: ['anonymous'] } },
    },
    auth: { allowAnonymous: true },
    api: { key: 'key' },
    log: { level: 'silent' },
  })
  hf.projection(accounts)
  hf.projection(words)
  const { port } = await hf.listen()
  address = `http://127.0.0.1:${port}`
  client = createClient(`ws://127.0.0.1:${port}`)
  await client.connect()
  accountsHeard = listen('live:accounts', 'start')
})
afterAll(async () => {
  client?.disconnect()
  await hf?.close()
  await sql?.end({ timeout: 1 })
  await database?.drop()
})

async function get(
  path: string,
  key = 'key',
): Promise<{ status: number; result?: unknown; error?: unknown }> {
  const response = await fetch(`${address}/api/projections${path}`, { headers: { 'x-api-key': key } })
  return { status: response.status, ...((await response.json()) as object) }
}

async function post(method: string, params: object): Promise<{ result?: unknown; error?: unknown }> {
  const response = await fetch(`${address}/api/${method}`, {
    method: 'POST',
    headers: { 'x-api-key': 'key' },
    body: JSON.stringify(params),
  })
  return (await response.json()) as object
}

const rows = async (query: string) =>
  ((await get(`/${query}`)).result as { rows: Record<string, unknown>[] }).rows
async function report(): Promise<Report> {
  const { result } = await post('projections_status', { projection: 'accounts' })
  return (result as { projection: Report }).projection
}

function listen(channel: string, since?: 'start'): readonly Told[] {
  const heard: Told[] = []
  client.channel(channel).subscribe({
    ...(since && { since }),
    onEvent: ({ data }) => void heard.push(data as Told),
  })
  return heard
}

describe('a read model', () => {
  it('tells a durable channel of each change once, in the order of each row, and is read over HTTP', async () => {
    const heard = accountsHeard
    for (let cents = 1; cents <= 5; cents++) await hf.append('account:ann', 'Paid', { cents })
    const { offset } = await hf.append('account:ben', 'Paid', { cents: 7 })
    expect(await rows(`accounts?key=account:ben&atLeast=account:ben@${offset}`)).toEqual([
      { key: 'account:ben', state: { cents: 7 }, channel: 'account:ben', offset: 1 },
    ])
    await hf.append('account:ben', 'Closed', {})
    const last = (key: string) =>
      heard.flatMap(({ changes = [] }) => changes).findLast(change => change.key['key'] === key)
    await until(
      'the sum is told',
      () => (last('account:ann')?.row?.['state'] as { cents: number })?.cents === 15,
    )
    await until('that it is gone is told', () => last('account:ben')?.row === null)
    expect(heard[0]).toMatchObject({ projection: 'accounts', version: 1, changes: [{ table: 'states' }] })
    const ann = heard.flatMap(({ n = 0, changes = [] }) =>
      changes
        .filter(({ key }) => key['key'] === 'account:ann')
        .map(({ row }) => ({ n, at: row?.['offset'] })),
    )
    expect(ann.map(({ at }) => at)).toEqual([...new Set(ann.map(({ at }) => at))].sort())
    expect(ann.map(({ n }) => n)).toEqual([...ann.map(({ n }) => n)].sort((a, b) => a - b))
    expect(await rows('accounts?key=account:ben&atLeast=account:ben@2')).toEqual([])
  })

  it('tells realtime channels of its choice after the commit', async () => {
    const heard = listen('pulse:lobby')
    await until('a change is heard', async () => {
      await hf.append('said:lobby', 'Said', { word: 'hello' })
      return heard.length > 0
    })
    await hf.append('said:secret', 'Said', { word: 'psst' })
    await hf.append('said:lobby', 'Said', { word: 'bye' })
    const told = () => heard.flatMap(({ changes = [] }) => changes)
    await until('the other word is heard', () => told().some(({ key }) => key['word'] === 'bye'))
    expect(told().find(({ key }) => key['word'] === 'bye')).toEqual({
      table: 'words',
      key: { word: 'bye' },
      row: { word: 'bye', last_room: 'lobby', times: 1 },
    })
    expect(told().some(({ key }) => key['word'] === 'psst')).toBe(false)
  })

  it('is refused where it would read in a durable channel what it tells there', () => {
    const own = { ...accounts.definition, name: 'own', changes: 'account:all' }
    const refusal = expect.objectContaining({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('feed itself for ever'),
    })
    expect(() => hf.projection(defineReducer(own))).toThrow(refusal)
    const all = channelActivity({ changes: 'live:activity' })
    expect(() => hf.projection(all)).toThrow(refusal)
    const told = defineReducer({ ...own, types: ['Paid', 'ProjectionChanged'] as never })
    expect(() => hf.projection(told)).toThrow(refusal)
  })

  it('refuses over HTTP with a status, and whoever has no key', async () => {
    expect(await get('/accounts?colour=red')).toMatchObject({
      status: 400,
      error: { code: 107, message: expect.stringContaining('no column "colour"') },
    })
    expect(await get('/nobody')).toMatchObject({ status: 400 })
    expect((await get('/accounts', 'wrong')).status).toBe(401)
    await hf.append('account:eve', 'Paid', { cents: 1 })
    await post('projections_pause', { projection: 'accounts' })
    await until('it is paused', async () => {
      const { offset } = await hf.append('account:eve', 'Paid', { cents: 1 })
      const { status, error } = await get(`/accounts?atLeast=account:eve@${offset}&withinMs=300`)
      return status === 503 && (error as { code: number }).code === 425
    })
    expect(await post('projections_resume', { projection: 'accounts' })).toEqual({
      result: { changed: true },
    })
  })
})

describe('operators', () => {
  it('see projections by the command and by the API', { timeout: 60_000 }, async () => {
    const listed = (await get('')).result as { projections: { name: string }[] }
    expect(listed.projections.map(({ name }) => name)).toEqual(['accounts', 'words'])
    expect(await post('projections_status', { projection: 'words' })).toMatchObject({
      result: {
        projection: {
          name: 'words',
          version: 1,
          builds: [{ state: 'active', tables: ['words'], members: 1 }],
        },
      },
    })
    const [list, status, unknown] = await Promise.all([
      holdfast(['projections'], env),
      holdfast(['projections', 'status', 'words'], env),
      holdfast(['projections', 'status', 'nobody'], env),
    ])
    expect(list.stdout).toMatch(/NAME +VERSION +BUILD +STATE/)
    expect(list.stdout).toMatch(/accounts +1 +\d+ +active/)
    expect(status.stdout).toMatch(/readers see build \d+ of version 1/)
    expect([unknown.code, unknown.stderr]).toEqual([
      1,
      expect.stringContaining('there is no projection "nobody"'),
    ])
  })

  it('rebuild, and take readers back, of which the channel is told', { timeout: 60_000 }, async () => {
    const before = await report()
    const heard = accountsHeard
    let going = true
    const traffic = (async () => {
      while (going) {
        await hf.append('account:eve', 'Paid', { cents: 1 })
        await delay(10)
      }
    })()
    const rebuilt = await holdfast(
      ['projections', 'rebuild', 'accounts', '--by', 'ann', '--reason', 'a test'],
      env,
    )
    expect(rebuilt.stdout).toMatch(/readers of accounts see build \d+ of version 1/)
    const after = await report()
    expect(after.active).toBeGreaterThan(before.active ?? 0)
    expect(after.builds.map(({ state }) => state)).toEqual(['standby', 'active'])
    expect(after.builds[1]).toMatchObject({ requested_by: 'ann', progress: { rate: null } })
    await until('a reset is told', () => heard.some(({ reset, build }) => reset && build === after.active))
    const back = await holdfast(['projections', 'switch-back', 'accounts', '--yes', '--json'], env)
    expect(back.json()).toEqual({ build: before.active, version: 1, previous: after.active })
    // The command knows no channels: a node has seen it.
    await until('the switch back is told', () =>
      heard.some(({ reset, build }) => reset && build === before.active),
    )
    expect(heard.filter(({ reset }) => reset)).toHaveLength(2)
    expect(await post('projections_drop', { projection: 'accounts', build: before.active })).toMatchObject({
      error: { code: 107, message: expect.stringContaining('readers see build') },
    })
    const [dropped, unsure] = await Promise.all([
      holdfast(['projections', 'drop', 'accounts', String(after.active), '--yes'], env),
      holdfast(['projections', 'drop', 'accounts', '1', '--json'], env),
    ])
    expect(dropped.stdout).toContain(`dropped build ${after.active}`)
    expect(unsure.code).toBe(2)
    going = false
    await traffic
    // While it was built anew, and readers went to and fro, no change was missed or told by another build.
    const { offset } = await hf.append('account:eve', 'Paid', { cents: 1 })
    const table = (await rows(`accounts?atLeast=account:eve@${offset}`)).map(row => [row['key'], row])
    await until('what was told makes the table that is read', () => {
      const told = heard
        .flatMap(({ changes = [] }) => changes)
        .map(({ key, row }) => [key['key'], row] as const)
      const folded = [...new Map(told)].filter(([, row]) => row !== null)
      return isDeepStrictEqual(new Map(folded), new Map(table as typeof folded))
    })
    expect((await report()).builds).toMatchObject([{ build: before.active, state: 'active' }])
    expect(
      await sql`select actor, act, reason from holdfast.acts where act like '%projection%' order by id limit 2`,
    ).toMatchObject([
      { actor: 'ann', act: 'rebuild_projection', reason: 'a test' },
      { act: 'switch_projection' },
    ])
  })

  it('have it as metrics', async () => {
    const text = await (await fetch(`${address}/metrics`)).text()
    for (const line of [
      /holdfast_projection_builds\{projection="accounts",state="active"\S* 1$/m,
      /holdfast_projection_builds\{projection="accounts",state="building"\S* 0$/m,
      /holdfast_projection_lag\{projection="words",state="active"\S* \d+$/m,
      /holdfast_projection_lag_age\{projection="words",state="active"\S* [\d.]+$/m,
      /holdfast_projection_progress\{projection="words",state="active"\S* (1|0\.\d+)$/m,
      /holdfast_projection_events_total\{projection="words",version="1"\S* [1-9]/m,
    ])
      expect(text).toMatch(line)
  })

  it('hold builds back by the command', async () => {
    expect(await post('projections_pause', { projection: 'words' })).toEqual({ result: { changed: true } })
    expect((await get('')).result).toMatchObject({ projections: [{}, { builds: [{ paused: true }] }] })
    expect((await holdfast(['projections', 'resume', 'words', '--json'], env)).json()).toEqual({
      changed: true,
    })
  })
})
