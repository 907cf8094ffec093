import { Worker } from 'bullmq'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RuleSummary, Schedule } from '../../src/durable/index.ts'
import { connectPostgres, type Sql } from '../../src/platform/index.ts'
import { type Cluster, type Node, openNamespaces, startCluster } from '../support/cluster.ts'
import { holdfast } from '../support/command.ts'
import { until } from '../support/until.ts'

let cluster: Cluster
let node: Node
let sql: Sql
let env: Record<string, string>
const ends: (() => unknown)[] = []

beforeAll(async () => {
  cluster = await startCluster({
    ownRedis: true,
    config: {
      namespaces: openNamespaces,
      jobs: {
        rules: { mail: { on: { channel: 'order:*', type: 'Placed' }, queue: { name: 'mail' }, attempts: 1 } },
        schedules: {
          nightly: {
            cron: '0 3 * * *',
            zone: 'Europe/Berlin',
            publish: { channel: 'room:1', data: 'good night' },
          },
        },
      },
    },
  })
  node = cluster.nodes[0] as Node
  env = { DATABASE_URL: cluster.databaseUrl }
  sql = connectPostgres(cluster.databaseUrl, { max: 1, applicationName: 'holdfast-test' })
})
afterAll(async () => {
  for (const end of ends) await end()
  await sql?.end({ timeout: 1 })
  await cluster?.close()
})

const rules = async () => (await node.api<{ rules: RuleSummary[] }>('rules', {})).rules

it('counts what rules owe, by the command and by the API', async () => {
  const { hostname, port } = new URL(cluster.redisUrl)
  const worker = new Worker(
    'mail',
    async job => {
      if (job.data.event.data === 'bad') throw new Error('no such address')
    },
    { connection: { host: hostname, port: Number(port) } },
  )
  ends.push(() => worker.close(true))
  for (const data of ['good', 'bad']) await node.api('append', { channel: 'order:1', type: 'Placed', data })
  await node.api('append', { channel: 'order:1', type: 'Paid', data: 1 })
  await until('both have ended', async () => {
    const [rule] = await rules()
    return rule?.queued === 0 && rule.parked === 1
  })
  const expected = { name: 'mail', types: ['Placed'], target: 'queue', to: 'mail', declared: true, queued: 0 }
  // What is done may be millions of rows, and is not gone through.
  expect((await rules())[0]).not.toHaveProperty('done')
  expect((await rules())[0]).toMatchObject({ ...expected, oldest_open: expect.any(Number) })
  expect((await holdfast(['jobs', '--json'], env)).json<RuleSummary[]>()).toMatchObject([expected])
  const { stdout } = await holdfast(['jobs'], env)
  expect(stdout).toMatch(/RULE +ON +TO +STATE +QUEUED +FAILING +PARKED +OLDEST OPEN/)
  expect(stdout).toMatch(/mail +order:\* Placed +queue mail +declared +0 +0 +1 +\d{4}-/)
})

it('ends a rule that no process declares, with what it owes, and no other', async () => {
  const refused = await holdfast(['jobs', 'remove', 'mail', '--yes'], env)
  expect([refused.code, refused.stderr]).toEqual([
    1,
    expect.stringContaining('a process declares the rule mail'),
  ])
  await expect(node.api('remove_rule', { name: 'nothing' })).rejects.toThrow(/no rule nothing/)
  await sql`
    insert into holdfast.job_rules select 'old', starts, epoch, created, definition, seen - 120000
    from holdfast.job_rules where name = 'mail'`
  await sql`
    update holdfast.job_rules set definition = replace(definition, '"mail"', '"nobody"') where name = 'old'`
  await node.api('append', { channel: 'order:9', type: 'Placed', data: 'good' })
  await until('it is applied although no process declares it', async () => {
    const old = (await rules()).find(rule => rule.name === 'old')
    return old?.queued === 1 && !old.declared
  })
  const removed = await holdfast(['jobs', 'remove', 'old', '--yes', '--by', 'ann', '--json'], env)
  expect(removed.json()).toEqual({ discarded: 1 })
  expect((await rules()).map(rule => rule.name)).toEqual(['mail'])
  const [row] = await sql`select state, reason, actor from holdfast.deliveries where consumer = 'rule/old'`
  expect(row).toEqual({ state: 'discarded', reason: 'the rule was removed', actor: 'ann' })
  expect(await sql`select actor, act, target from holdfast.acts where act = 'remove_rule'`).toEqual([
    { actor: 'ann', act: 'remove_rule', target: 'rule old' },
  ])
  await sql`delete from holdfast.acts where act = 'remove_rule'`
})

it('lists, adds, pauses, resumes and removes schedules, and records who did it', async () => {
  const add = await holdfast(
    [
      'schedules',
      'add',
      'open',
      'order:2',
      '{"by": "clock"}',
      '--type',
      'Opened',
      '--in',
      1,
      '--by',
      'ann',
      '--json',
    ],
    env,
  )
  expect(add.json<Schedule>()).toMatchObject({ name: 'open', act: 'append', due: expect.any(Number) })
  await until('it has happened', async () => {
    const { publications } = await node.api<{ publications: { data: unknown }[] }>('history', {
      channel: 'order:2',
      limit: 10,
    })
    return publications.some(each => JSON.stringify(each.data) === '{"by":"clock"}')
  })
  const made = await node.api('schedule', {
    name: 'weekly',
    cron: '0 8 * * 1',
    zone: 'Europe/Berlin',
    channel: 'order:3',
    type: 'Weekly',
    data: { n: 1.0 },
    actor: 'bob',
  })
  expect(made).toMatchObject({ name: 'weekly', zone: 'Europe/Berlin', data: { n: 1 }, paused: false })
  expect((await holdfast(['schedules', 'pause', 'weekly', '--by', 'ann'], env)).stdout).toBe(
    'weekly is paused\n',
  )
  expect((await holdfast(['schedules', 'pause', 'weekly', '--json'], env)).json()).toEqual({ changed: false })
  expect(await node.api('resume_schedule', { name: 'weekly' })).toEqual({ changed: true })
  expect(await node.api('pause_schedule', { name: 'weekly' })).toEqual({ changed: true })

  const { stdout } = await holdfast(['schedules'], env)
  expect(stdout).toMatch(/nightly +0 3 \* \* \* Europe\/Berlin +publish room:1 +active +20/)
  expect(stdout).toMatch(/open +once +append order:2 Opened +over/)
  expect(stdout).toMatch(/weekly +0 8 \* \* 1 Europe\/Berlin +append order:3 Weekly +paused/)
  const { schedules } = await node.api<{ schedules: Schedule[] }>('schedules', {})
  expect(schedules.map(each => each.name)).toEqual(['nightly', 'open', 'weekly'])
  const page = { schedules: [{ name: 'open' }], next: 'open' }
  expect(await node.api('schedules', { limit: 1, after: 'nightly' })).toMatchObject(page)
  const rest = await holdfast(['schedules', '--after', 'open', '--limit', 1, '--json'], env)
  expect(rest.json<{ next?: string }>()).toMatchObject({ schedules: [{ name: 'weekly' }] })
  expect(rest.json()).not.toHaveProperty('next')
  expect((await holdfast(['schedules', '--limit', 2], env)).stdout).toMatch(/go on with --after open/)

  expect((await holdfast(['schedules', 'remove', 'open'], env)).code).toBe(0)
  await node.api('unschedule', { name: 'weekly', actor: 'bob', reason: 'tired' })
  expect(
    await sql`select actor, act, target, reason from holdfast.acts where actor in ('ann', 'bob') order by id`,
  ).toEqual([
    { actor: 'ann', act: 'schedule', target: 'schedule open', reason: null },
    { actor: 'bob', act: 'schedule', target: 'schedule weekly', reason: null },
    { actor: 'ann', act: 'pause_schedule', target: 'schedule weekly', reason: null },
    { actor: 'bob', act: 'unschedule', target: 'schedule weekly', reason: 'tired' },
  ])
})

it('refuses what makes no sense, and says what would', async () => {
  const cases: [string[], RegExp][] = [
    [['schedules', 'remove', 'nightly'], /belongs to the configuration/],
    [['schedules', 'pause', 'nothing'], /there is no schedule nothing/],
    [['schedules', 'add', 'a', 'order:1', '{', '--in', '1'], /data: expected JSON/],
    [['schedules', 'add', 'a', 'order:1', '1', '--at', 'noon'], /noon is no time/],
    [['schedules', 'add', 'a', 'order:1', '1', '--at', '2030-01-01', '--in', '1'], /exclude each other/],
  ]
  for (const [args, message] of cases) {
    const { code, stderr } = await holdfast(args, env)
    expect([args, code], stderr).not.toEqual([args, 0])
    expect(stderr).toMatch(message)
  }
  const base = { name: 'x', delay_ms: 1, channel: 'order:1', type: 'T', data: 1 }
  const bad: [Record<string, unknown>, RegExp][] = [
    [{ ...base, zon: 'UTC' }, /zon/],
    [{ ...base, channel: 'room:1' }, /not durable/],
    [{ ...base, channel: 'unknown:1' }, /unknown/],
    [{ ...base, at: 1 }, /both/],
    [{ ...base, data: undefined }, /data/],
    [{ ...base, type: undefined }, /type/],
  ]
  for (const [params, message] of bad) await expect(node.api('schedule', params)).rejects.toThrow(message)
})
