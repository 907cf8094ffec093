import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { append, dense } from '../../../test/support/durable-nodes.ts'
import { type GroupStage, groupStage, openDeliveries } from '../../../test/support/group-stage.ts'
import { until } from '../../../test/support/until.ts'
import { HoldfastError } from '../../domain/index.ts'
import type { SystemGroups } from './groups.ts'
import { done, park, retry } from './outcome.ts'
import type { GroupOptions, Handler, HandlerContext } from './types.ts'

let stage: GroupStage
beforeAll(async () => {
  stage = await groupStage()
})
afterAll(() => stage?.close())

let count = 0
const fresh = () => `x${++count}`
const record = (group: string, offset: number, { tx }: HandlerContext) =>
  tx`insert into public.effects ("group", channel, "offset") values (${group}, 'c', ${offset})`
async function working(group: string, options: GroupOptions, handler: Handler): Promise<SystemGroups> {
  const groups = stage.worker()
  groups
    .group(group, { start: 'now', retryMs: { first: 10, most: 20 }, ...options })
    .on(`${group}:{id}`, '*', handler)
  await groups.work()
  return groups
}
const offsets = async (group: string) => (await stage.effects(group)).map(({ offset }) => offset)

describe('a handler that takes too long', () => {
  it('is given up, and what it still sends is refused', async () => {
    const group = fresh()
    const late: string[] = []
    let ended = Promise.resolve()
    const groups = await working(group, { handlerTimeoutMs: 200, maxAttempts: 5 }, async (event, context) => {
      await record(group, event.offset, context)
      if (event.offset > 1 || context.attempt > 1) return
      const waiting = new Promise<void>(resolve => setTimeout(resolve, 700))
      ended = waiting.then(async () => {
        await context.tx`insert into public.effects ("group") values ('late')`.catch(error => {
          late.push(error.message)
        })
      })
      await ended
    })
    await append(stage.a, `${group}:1`, 2)
    await until('both are done', async () => (await offsets(group)).length === 2)
    await ended
    await until('the late statement was refused', () => late.length === 1)
    expect(await offsets(group)).toEqual([1, 2])
    expect(await stage.effects('late')).toEqual([])
    await groups.close(1_000)
  })

  it('is left alone for as long as it says that it is alive', async () => {
    const group = fresh()
    const attempts: number[] = []
    const groups = await working(group, { handlerTimeoutMs: 300 }, async (event, context) => {
      attempts.push(context.attempt)
      for (let i = 0; i < 10; i++) {
        await delay(100)
        await context.heartbeat()
      }
      await record(group, event.offset, context)
    })
    await append(stage.a, `${group}:1`, 1)
    await until('it is done', async () => (await offsets(group)).length === 1)
    expect(attempts).toEqual([1])
    await groups.close(1_000)
  })

  it('is parked in the end, with the reason', async () => {
    const group = fresh()
    const groups = await working(group, { handlerTimeoutMs: 50, maxAttempts: 3 }, () => new Promise(() => {}))
    await append(stage.a, `${group}:1`, 1)
    const parked = await until('it is parked', async () =>
      (await openDeliveries(stage.database, group)).find(({ state }) => state === 'parked'),
    )
    expect(parked).toMatchObject({ attempts: 3, reason: expect.stringContaining('longer than 50 ms') })
    await groups.close(1_000)
  })
})

describe('the meter of a group', () => {
  it.each(['ordered', 'competing'] as const)(
    'counts once how the handling of each event has ended, however often it was rolled back with others (%s)',
    async mode => {
      const group = fresh()
      const options = { mode, batchSize: 4, concurrency: 1 }
      const groups = await working(group, options, async ({ params }, { attempt }) => {
        if (params['id'] === 'later' && attempt === 1) return retry(1, 'not yet')
        if (params['id'] === 'never') return park('never')
        if (params['id'] === 'thrown' && attempt === 1) throw new Error('no')
        return done()
      })
      const meter = () => groups.meters().get(group)
      const outcomes = () => ({ ...meter()?.outcomes })
      expect(outcomes()).toEqual({ done: 0, retry: 0, park: 0, failed: 0 })
      const channels = ['well', 'later', 'never', 'thrown'].map(id => `${group}:${id}`)
      await Promise.all(channels.map(channel => append(stage.a, channel, 1)))
      await until('all have ended', () => outcomes().done === 3 && outcomes().park === 1)
      expect(outcomes()).toEqual({ done: 3, retry: 1, park: 1, failed: 1 })
      expect(meter()?.duration.count).toBeGreaterThanOrEqual(6)
      await groups.close(1_000)
    },
  )
})

describe('a handler and its transaction', () => {
  it('cannot be done when a statement has failed, whether it minds or not', async () => {
    const group = fresh()
    const groups = await working(group, { maxAttempts: 1 }, async (event, context) => {
      await record(group, event.offset, context)
      await context.tx`select 1 / 0`.catch(() => undefined)
    })
    await append(stage.a, `${group}:1`, 1)
    await until('it is parked', async () => (await openDeliveries(stage.database, group)).length === 1)
    expect(await openDeliveries(stage.database, group)).toMatchObject([
      { reason: 'division by zero (attempt 1)' },
    ])
    expect(await offsets(group)).toEqual([])
    await groups.close(1_000)
  })

  it('is blamed for another database that it could not reach', async () => {
    const group = fresh()
    const groups = await working(group, { maxAttempts: 1 }, async () => {
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' })
    })
    await append(stage.a, `${group}:1`, 1)
    await until(
      'it is parked',
      async () => (await openDeliveries(stage.database, group))[0]?.state === 'parked',
    )
    await groups.close(1_000)
  })

  it('is not done with a statement that failed and that nobody waited for', async () => {
    const group = fresh()
    const groups = await working(group, { maxAttempts: 1 }, (_, { tx }) => {
      tx`select 1 / 0`.execute()
    })
    await append(stage.a, `${group}:1`, 1)
    await until(
      'it is parked',
      async () => (await openDeliveries(stage.database, group))[0]?.state === 'parked',
    )
    await groups.close(1_000)
  })

  it('may fail within a savepoint', async () => {
    const group = fresh()
    const groups = await working(group, {}, async (event, context) => {
      await context.tx.savepoint(tx => tx`select 1 / 0`).catch(() => undefined)
      await record(group, event.offset, context)
    })
    await append(stage.a, `${group}:1`, 1)
    await until('it is done', async () => (await offsets(group)).length === 1)
    await groups.close(1_000)
  })

  it('is not done before its savepoint is', async () => {
    const group = fresh()
    const late = Promise.withResolvers<void>()
    const groups = await working(group, { maxAttempts: 1 }, async (event, context) => {
      if (event.offset > 1) return record(group, event.offset, context).then(() => undefined)
      const begun = Promise.withResolvers<void>()
      void context.tx.savepoint(async tx => {
        await tx`insert into public.effects ("group") values (${group})`
        begun.resolve()
        await late.promise
      })
      await begun.promise
    })
    await append(stage.a, `${group}:1`, 1)
    const [parked] = await until('it is parked', async () => {
      const open = await openDeliveries(stage.database, group)
      return open[0]?.state === 'parked' ? open : undefined
    })
    expect(parked?.reason).toContain('before its savepoint')
    late.resolve()
    await delay(50)
    expect(await offsets(group)).toEqual([])
    await groups.close(1_000)
  })

  it('is told apart from its neighbours when only the commit is refused', async () => {
    const group = fresh()
    await stage.database.sql.unsafe(
      `create table public.${group} ("offset" int, constraint once unique ("offset") deferrable initially deferred)`,
    )
    await append(stage.a, `${group}:1`, 12)
    const groups = stage.worker()
    groups
      .group(group, { batchSize: 20, maxAttempts: 1 })
      .on(`${group}:*`, '*', async ({ offset }, { tx }) => {
        await tx.unsafe(`insert into public.${group} values ($1)`, [offset === 9 ? 3 : offset])
      })
    await groups.work()
    await until('the rest waits', async () => (await openDeliveries(stage.database, group)).length === 4)
    expect((await openDeliveries(stage.database, group))[0]).toMatchObject({ offset: 9, state: 'parked' })
    const rows = await stage.database.sql.unsafe<{ offset: number }[]>(
      `select * from public.${group} order by 1`,
    )
    expect(rows.map(({ offset }) => offset)).toEqual(dense(1, 8))
    await groups.close(1_000)
  })

  it('is done again, and not blamed, when two of them were in each other’s way', async () => {
    const group = fresh()
    await stage.database.sql.unsafe(`create table public.${group} (id int primary key, n int)`)
    await stage.database.sql.unsafe(`insert into public.${group} values (1, 0), (2, 0)`)
    const names = dense(1, 200).map(n => `${group}:${n}`)
    const [a = '', b = ''] = [0, 1].map(p => names.find(name => stage.bare.partitionOf(name) === p) ?? '')
    const attempts = new Set<number>()
    let meeting = 0
    const groups = await working(group, {}, async ({ channel }, { tx, attempt }) => {
      attempts.add(attempt)
      const order = channel === a ? [1, 2] : [2, 1]
      await tx.unsafe(`update public.${group} set n = n + 1 where id = $1`, [order[0] ?? 0])
      meeting++
      await until('both have one', () => meeting >= 2)
      await tx.unsafe(`update public.${group} set n = n + 1 where id = $1`, [order[1] ?? 0])
    })
    await Promise.all([append(stage.a, a, 1), append(stage.a, b, 1)])
    const total = async () =>
      (await stage.database.sql.unsafe<{ n: number }[]>(`select n from public.${group} order by id`)).map(
        row => row.n,
      )
    await until('both are done', async () => (await total()).join() === '2,2')
    expect(meeting).toBeGreaterThan(2)
    expect([...attempts]).toEqual([1])
    expect(await openDeliveries(stage.database, group)).toEqual([])
    await groups.close(1_000)
  })

  it('runs what it wanted after the commit then, and not when it was rolled back', async () => {
    const group = fresh()
    const told: string[] = []
    const groups = await working(group, { maxAttempts: 2 }, async ({ offset }, context) => {
      context.afterCommit(() => {
        told.push(`${offset}/${context.attempt}`)
        throw new Error('nobody minds')
      })
      await record(group, offset, context)
      if (context.attempt === 1) throw new Error('once more')
    })
    await append(stage.a, `${group}:1`, 2)
    await until('both are done', () => told.length === 2)
    expect(told).toEqual(['1/2', '2/2'])
    await groups.close(1_000)
  })
})

describe('declaring a group', () => {
  const refusal = (act: () => unknown) => {
    try {
      act()
      return undefined
    } catch (error) {
      return error instanceof HoldfastError ? [error.code, error.message] : error
    }
  }

  it('refuses what could not be meant', () => {
    const groups = stage.worker()
    const options = (more: object) => refusal(() => groups.group('bad', more as GroupOptions))
    for (const name of ['', 'a b', 'holdfast.jobs', 'x'.repeat(65)])
      expect(refusal(() => groups.group(name))).toEqual(['CONFIG_INVALID', expect.stringContaining('name')])
    expect(options({ mode: 'fast' })).toEqual(['CONFIG_INVALID', expect.stringContaining('"fast"')])
    expect(options({ start: 'then' })).toEqual(['CONFIG_INVALID', expect.stringContaining('"then"')])
    expect(options({ batchSize: 0 })).toEqual(['CONFIG_INVALID', expect.stringContaining('batchSize')])
    expect(options({ retryMs: { first: 2, most: 1 } })).toEqual([
      'CONFIG_INVALID',
      expect.stringContaining('retryMs'),
    ])
    expect(options({ batchsize: 5 })).toEqual(['CONFIG_INVALID', expect.stringContaining('batchsize')])
    const group = groups.group('twice')
    expect(refusal(() => groups.group('twice'))).toEqual(['CONFIG_INVALID', expect.stringContaining('twice')])
    for (const pattern of ['a:{}', 'a*b', 'a:{x}:{x}'])
      expect(refusal(() => group.on(pattern, '*', () => undefined))).toEqual([
        'CONFIG_INVALID',
        expect.any(String),
      ])
    expect(refusal(() => group.on('a:*', [], () => undefined))).toEqual([
      'CONFIG_INVALID',
      expect.any(String),
    ])
  })

  it('refuses the other mode than it has, and a process that is closed', async () => {
    const group = fresh()
    await (await working(group, {}, () => undefined)).close(0)
    const other = stage.worker()
    other.group(group, { mode: 'competing' }).on(`${group}:*`, '*', () => undefined)
    await expect(other.work()).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    await other.close(0)
    await expect(other.work()).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
  })

  it('begins at once when the others work already, and tells retention which namespaces it needs', async () => {
    const [group, second] = [fresh(), fresh()]
    const groups = await working(group, {}, () => undefined)
    const declared = groups.group(second, { start: 'now' })
    await delay(20)
    expect(groups.status().map(({ name }) => name)).toEqual([group, second])
    declared.on(`${second}:{id}`, '*', ({ offset }, context) =>
      record(second, offset, context).then(() => undefined),
    )
    await until('it is at work', () => (groups.status()[1]?.partitions.length ?? 0) > 0)
    declared.on('other:{id}', '*', () => undefined)
    await append(stage.a, `${second}:1`, 1)
    await until('it has handled it', async () => (await offsets(second)).length === 1)
    const namespaces = async () => {
      const [row] = await stage.database.sql<{ list: string }[]>`
        select array_to_json(namespaces)::text as list from holdfast.groups where name = ${second}`
      return row?.list
    }
    await until(
      'both namespaces are there',
      async () => (await namespaces()) === JSON.stringify(['other', second]),
    )
    await groups.close(1_000)
  })

  it('knows system groups by their names', async () => {
    const groups = stage.worker()
    groups.systemGroup('holdfast.test').on('*', '*', () => undefined)
    await groups.work()
    const rows = await stage.database.sql`select namespaces from holdfast.groups where name = 'holdfast.test'`
    expect(rows).toEqual([{ namespaces: null }])
    await groups.close(0)
  })
})

it('needs no more than the role of a node', async () => {
  const group = fresh()
  const { sql, url } = stage.database
  const login = `groups_${randomBytes(4).toString('hex')}`
  await sql.unsafe(`create role ${login} login password 'secret' in role holdfast_runtime`)
  await sql.unsafe(`grant insert on public.effects to ${login}`)
  const mine = new URL(url)
  Object.assign(mine, { username: login, password: 'secret' })
  const groups = stage.worker({ url: mine.href })
  groups
    .group(group, { start: 'now', maxAttempts: 2, retryMs: { first: 5, most: 5 } })
    .on(`${group}:*`, '*', async ({ offset }, context) => {
      await record(group, offset, context)
      if (offset === 2) throw new Error('no')
    })
  await groups.work()
  await append(stage.a, `${group}:1`, 3)
  await until(
    'one waits',
    async () => (await openDeliveries(stage.database, group)).at(-1)?.state === 'waiting',
  )
  await until(
    'one is parked',
    async () => (await openDeliveries(stage.database, group))[0]?.state === 'parked',
  )
  expect(await offsets(group)).toEqual([1])
  await groups.close(1_000)
  await sql.unsafe(`drop owned by ${login}`)
  await sql.unsafe(`drop role ${login}`)
})

it('stops a partition in which too much is owed, and goes on when some of it is settled', async () => {
  const group = fresh()
  const channel = `${group}:1`
  const partition = stage.bare.partitionOf(channel)
  await (await working(group, {}, () => undefined)).close(0)
  await stage.database.sql`
    insert into holdfast.deliveries (consumer, partition, position, channel, "offset", event_id, event_type, state, created, updated)
    select ${`group/${group}`}, ${partition}, 1000000 + n, 'stuck:' || n, 1, gen_random_uuid(), 'T', 'parked', 0, 0
    from generate_series(1, 10000) as n`
  const groups = await working(group, {}, ({ offset }, context) =>
    record(group, offset, context).then(() => undefined),
  )
  await append(stage.a, channel, 3)
  const lines = async () => (await stage.place(group, partition)).holder
  await until('it holds the partition', lines)
  await delay(500)
  expect(await offsets(group)).toEqual([])
  await stage.database.sql`
    update holdfast.deliveries set state = 'discarded' where consumer = ${`group/${group}`} and channel = 'stuck:7'`
  await until('it goes on', async () => (await offsets(group)).length === 3)
  await groups.close(1_000)
})
