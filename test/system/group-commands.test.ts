import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  createDurableTier,
  createGroups,
  createOperations,
  createPostgresLedger,
  type GroupDetail,
  type GroupSummary,
  type OpenTier,
  park,
  type SystemGroups,
} from '../../src/durable/index.ts'
import { connectPostgres, createLogger, type Sql } from '../../src/platform/index.ts'
import { type Cluster, type Node, startCluster } from '../support/cluster.ts'
import { holdfast } from '../support/command.ts'
import { until } from '../support/until.ts'

const logger = createLogger('silent')
const channel = 'order:1'
let cluster: Cluster
let node: Node
let tier: OpenTier
let groups: SystemGroups
let sql: Sql
let env: Record<string, string>
let handled = 0

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1 })
  node = cluster.nodes[0] as Node
  env = { DATABASE_URL: cluster.databaseUrl }
  sql = connectPostgres(cluster.databaseUrl, { max: 1, applicationName: 'holdfast-test' })
  const url = cluster.databaseUrl
  const ledger = await createPostgresLedger({ url, poolSize: 2, lanes: 1, allowUnsafeFsync: false })
  tier = await createDurableTier({ ledger, redis: cluster.redisUrl, logger })
  groups = createGroups({ log: tier.log, url, leaseMs: 2_000, poolSize: 2, nodeName: 'shop-1', logger })
  groups.group('receipts').on('order:{id}', '*', async event => {
    handled++
    return event.offset === 3 ? park('no printer') : undefined
  })
  await groups.work()
})
afterAll(async () => {
  await groups?.close(1_000)
  await tier?.close()
  await sql?.end({ timeout: 1 })
  await cluster?.close()
})

const append = (count: number) =>
  Promise.all(
    Array.from({ length: count }, () => node.api('append', { channel, type: 'Paid', data: { cents: 1 } })),
  )
const own = (list: readonly GroupSummary[]) => list.find(({ name }) => name === 'receipts')
const listed = async () => own(await createOperations(sql).groups.list())
const acts = () => sql`select actor, act, target, reason from holdfast.acts order by id`

it('lists groups with their lag and what they owe, by the command and by the API', async () => {
  await append(5)
  await until('it has handled what it may', () => handled === 3)
  const expected = {
    mode: 'ordered',
    paused: false,
    namespaces: ['order'],
    members: 1,
    lag: { events: 0, seconds: 0 },
    open: { parked: 1, retrying: 0, waiting: 2 },
  }
  await until('the rest waits', async () => (await listed())?.open.waiting === 2)
  expect(own((await holdfast(['groups', 'list', '--json'], env)).json())).toMatchObject(expected)
  const { groups: found } = await node.api<{ groups: GroupSummary[] }>('groups', {})
  expect(own(found)).toMatchObject(expected)
  const { stdout } = await holdfast(['groups'], env)
  expect(stdout).toMatch(/NAME +MODE +STATE +LAG/)
  expect(stdout).toMatch(/receipts +ordered +at work +0 +0 +1 +1 +0 +2/)
})

it('shows a group with its members and partitions', async () => {
  const detail = (await holdfast(['groups', 'show', 'receipts', '--json'], env)).json<GroupDetail>()
  expect(detail.memberList).toMatchObject([{ node: 'shop-1' }])
  expect(detail.memberList[0]?.partitions).toHaveLength(64)
  const busy = detail.partitions.filter(({ head }) => head > 0)
  expect(busy).toMatchObject([
    { position: 5, head: 5, lag: { events: 0, seconds: 0 }, open: 3, node: 'shop-1' },
  ])
  const { group } = await node.api<{ group: { member_list: unknown[]; partitions: unknown[] } }>('groups', {
    group: 'receipts',
  })
  expect(group.member_list).toHaveLength(1)
  expect(group.partitions).toHaveLength(64)
  const { stdout } = await holdfast(['groups', 'show', 'receipts'], env)
  expect(stdout).toMatch(/receipts {2}ordered, at work/)
  expect(stdout).toMatch(/shop-1 +64/)
})

it('pauses and resumes, and remembers who did', async () => {
  const paused = await holdfast(['groups', 'pause', 'receipts', '--by', 'ann', '--reason', 'printer'], env)
  expect(paused.stdout).toBe('receipts is paused\n')
  await until('its worker has heard of it', () => groups.status()[0]?.paused)
  await node.api('append', { channel: 'order:2', type: 'Paid', data: {} })
  await until('it lags', async () => ((await listed())?.lag.seconds ?? 0) > 0)
  expect(await listed()).toMatchObject({ paused: true, lag: { events: 1 } })
  expect(await node.api('pause_group', { group: 'receipts' })).toEqual({ changed: false })
  const before = handled
  expect(await node.api('resume_group', { group: 'receipts', actor: 'ben' })).toEqual({ changed: true })
  await until('it goes on', () => handled === before + 1)
  expect(await acts()).toEqual([
    { actor: 'ann', act: 'pause_group', target: 'group receipts', reason: 'printer' },
    { actor: 'ben', act: 'resume_group', target: 'group receipts', reason: null },
  ])
})

it('says what is wrong with a request', async () => {
  await expect(node.api('groups', { group: 'nobody' })).rejects.toThrow('there is no group')
  await expect(node.api('pause_group', { group: 'nobody' })).rejects.toThrow('there is no group')
  await expect(node.api('remove_group', { group: 'holdfast.jobs' })).rejects.toThrow("system's own")
  await expect(node.api('remove_group', {})).rejects.toThrow('group')
  const { code, stderr } = await holdfast(['groups', 'resume', 'nobody'], env)
  expect([code, stderr]).toEqual([1, expect.stringContaining('there is no group "nobody"')])
  const unconfirmed = await holdfast(['groups', 'remove', 'receipts'], env)
  expect([unconfirmed.code, unconfirmed.stderr]).toEqual([2, expect.stringContaining('--yes')])
})

it('removes a group: its workers end, and what it owed is discarded', async () => {
  const removed = await holdfast(['groups', 'remove', 'receipts', '--yes', '--json', '--by', 'ann'], env)
  expect(removed.json()).toEqual({ discarded: 3 })
  await until('its worker has let go', () => groups.status()[0]?.partitions.length === 0)
  expect(await listed()).toBeUndefined()
  const rows = await sql`
    select distinct state, actor, reason from holdfast.deliveries where consumer = 'group/receipts'`
  expect(rows).toEqual([{ state: 'discarded', actor: 'ann', reason: 'the group was removed' }])
  expect((await acts()).at(-1)).toMatchObject({ actor: 'ann', act: 'remove_group', target: 'group receipts' })
  expect((await holdfast(['groups', '--help'], env)).stdout).toContain('show')
})
