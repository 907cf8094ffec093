import { afterAll, beforeAll, expect, it } from 'vitest'
import { append } from '../../../test/support/durable-nodes.ts'
import { type ProjectionStage, projectionStage } from '../../../test/support/projection-stage.ts'
import { until } from '../../../test/support/until.ts'
import { createJobs, createOperations, park } from '../../durable/index.ts'
import { createLogger, parseConfig } from '../../platform/index.ts'
import { type DeliveryStands, deliveries } from './deliveries.ts'
import { lookAtOpenRows, removeOldRows } from './delivery-rows.ts'
import { startDeliveryWatch } from './delivery-watch.ts'

const logger = createLogger(process.env['HOLDFAST_TEST_LOG'] ?? 'silent')
let stage: ProjectionStage
const ends: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  stage = await projectionStage()
  const process = stage.process([deliveries({ channels: 'order:*' })] as never)
  await process.work()
})
afterAll(async () => {
  for (const end of ends) await end()
  await stage?.close()
})

const watch = () => {
  const started = startDeliveryWatch({ url: stage.runtimeUrl, log: stage.a.log, keepSeconds: 3_600, logger })
  ends.push(() => started.stop())
  return started
}

interface Row {
  readonly channel: string
  readonly offset: number
  readonly consumers: DeliveryStands
  readonly open: boolean
  readonly mirrored: Date | null
  readonly settled: Date | null
}
const rows = async (channel: string) =>
  (await stage.rows<Row>(await stage.active('deliveries'), 'events'))
    .filter(row => row.channel === channel)
    .sort((a, b) => a.offset - b.offset)

const stateOf = (row: Row | undefined, consumer: string) => row?.consumers[consumer]?.state

it('follows each event until it is mirrored, handled by every group, and every job is done', async () => {
  let failing = true
  const groups = stage.worker()
  groups.group('receipts', { maxAttempts: 1 }).on('order:{id}', '*', ({ offset }) => {
    return offset === 2 && failing ? park('no stamps') : undefined
  })
  groups.group('notices', { mode: 'competing' }).on('order:{id}', '*', () => undefined)
  groups.group('elsewhere').on('chat:{id}', '*', () => undefined)
  const jobGroups = stage.worker()
  const jobs = createJobs({
    log: stage.a.log,
    groups: jobGroups,
    url: stage.database.url,
    poolSize: 2,
    redis: stage.redisUrl,
    redisPrefix: 'holdfast',
    config: parseConfig({}).jobs,
    acts: { append: event => stage.a.append(event), publish: async () => undefined as never },
    nodeName: 'jobs',
    logger,
    timings: { lockMs: 1_500, stalledMs: 500, overdueMs: 1_000 },
  })
  ends.push(async () => {
    await jobGroups.close(0)
    await jobs.close(1_000)
  })
  let bills = 0
  jobs.handler('bill', () => {
    bills++
  })
  jobs.rule('billing', { on: { channel: 'order:{id}' }, handler: 'bill' })
  await jobs.work()
  await Promise.all([groups.work(), jobGroups.work()])
  const [first, second] = [watch(), watch()]

  await append(stage.a, 'order:1', 3)
  const settled = await until(
    'the first is settled',
    async () => {
      const [row] = await rows('order:1')
      return row?.open === false ? row : undefined
    },
    30_000,
  )
  expect(Object.keys(settled.consumers).sort()).toEqual(['group/notices', 'group/receipts', 'rule/billing'])
  expect(settled.consumers).toMatchObject({
    'group/receipts': { state: 'settled', at: expect.any(Number) },
    'group/notices': { state: 'settled' },
    'rule/billing': { state: 'done' },
  })
  expect(settled.mirrored).toBeInstanceOf(Date)
  expect(settled.settled).toBeInstanceOf(Date)
  expect(bills).toBeGreaterThan(0)

  // The parked one, and the one that waits behind it, stay open until somebody decides.
  await until('all else is done', async () =>
    (await rows('order:1')).slice(1).every(row => stateOf(row, 'rule/billing') === 'done'),
  )
  const [, parked, behind] = await until('it is seen to be parked', async () => {
    const all = await rows('order:1')
    return stateOf(all[1], 'group/receipts') === 'parked' ? all : undefined
  })
  expect(parked).toMatchObject({ open: true, settled: null })
  expect(parked?.consumers['group/receipts']?.attempts).toBe(1)
  expect([behind?.open, stateOf(behind, 'group/receipts')]).toEqual([true, 'waiting'])
  failing = false
  await createOperations(stage.sql).deliveries.redrive({ filter: { consumer: 'group/receipts' } }, {
    actor: 'me',
  } as never)
  await until('it is settled', async () => (await rows('order:1')).every(({ open }) => !open))
  const after = (await rows('order:1'))[1]
  expect(['settled', 'done']).toContain(stateOf(after, 'group/receipts'))

  // Who follows dies; the other one goes on. While Redis is away nothing is mirrored, and nobody says that it is.
  await first.stop()
  await stage.killRedis()
  await append(stage.a, 'order:2', 1)
  const cold = await until('the group has had it', async () => {
    const [row] = await rows('order:2')
    return stateOf(row, 'group/receipts') === 'settled' ? row : undefined
  })
  expect(cold).toMatchObject({ open: true, mirrored: null })
  await stage.startRedis()
  await until(
    'it is mirrored, and its job is done',
    async () => (await rows('order:2'))[0]?.open === false,
    60_000,
  )
  expect((await rows('order:2'))[0]?.mirrored).toBeInstanceOf(Date)
  await second.stop()
}, 120_000)

it('walks through all open rows in pages, writes only what has changed, and removes old ones', async () => {
  const build = await stage.active('deliveries')
  const table = `holdfast_projections.${build.tables['events']?.physical}`
  await stage.sql.unsafe(`
    insert into ${table} (partition, position, channel, "offset", id, type, recorded)
    select 5, 1000000 + n, 'order:many', n, gen_random_uuid(), 'T', now() - make_interval(mins => n::int)
    from generate_series(1, 2500) as n`)
  await stage.sql`update holdfast.groups set paused = true where name = 'receipts'`
  const whole = async () => {
    let pages = 0
    for (let at = await lookAtOpenRows(stage.sql, table, undefined); ; pages++) {
      if (!at) return pages
      at = await lookAtOpenRows(stage.sql, table, undefined, at)
    }
  }
  expect(await whole()).toBe(2)
  const seen = await rows('order:many')
  expect(new Set(seen.map(row => stateOf(row, 'group/receipts')))).toEqual(new Set(['paused']))
  const versions = () => stage.sql.unsafe(`select sum(xmin::text::bigint) as sum from ${table}`)
  const written = await versions()
  await whole()
  expect(await versions()).toEqual(written)

  while (await removeOldRows(stage.sql, table, 3_600));
  expect((await rows('order:many')).length).toBe(59)
})
