import { afterAll, beforeAll, expect, it } from 'vitest'
import { append } from '../../test/support/durable-nodes.ts'
import { openDeliveries } from '../../test/support/group-stage.ts'
import { noHooks, type ProjectionStage, projectionStage } from '../../test/support/projection-stage.ts'
import { until } from '../../test/support/until.ts'
import { buildLock } from './locks.ts'
import { defineReducer } from './reducer.ts'
import { switchForward } from './switch-build.ts'

let stage: ProjectionStage
beforeAll(async () => {
  stage = await projectionStage()
})
afterAll(() => stage?.close())

const counting = (name: string, version: number, poison?: number) =>
  defineReducer({
    name,
    version,
    channels: `${name}:{id}`,
    maxAttempts: 1,
    initial: () => ({ count: 0 }),
    evolve({ count }, { offset }) {
      if (offset === poison) throw new Error('cannot be told')
      return { count: count + version }
    },
  })

const by = { actor: 'me' }

it('an older version is not switched to, however late the newer one was seen', async () => {
  const name = stage.newName()
  await append(stage.a, `${name}:x`, 3)
  await stage.process([counting(name, 2)] as never).work()
  const older = stage.process([counting(name, 1)] as never)
  await older.work()
  const build = await until('it has caught up', async () =>
    (await stage.builds(name)).find(({ version, state }) => version === 1 && state === 'standby'),
  )
  await older.close(1_000)
  // As somebody sees it who has looked before the newer one took its place.
  await stage.sql`
    update holdfast.projection_builds set state = 'building', caught_up = now() - interval '1 hour'
    where id = ${build.id}`
  expect(await switchForward(stage.sql, noHooks, build, by)).toBeUndefined()
  expect(await stage.active(name)).toMatchObject({ version: 2 })
  // What a person has asked for is another matter.
  await stage.sql`update holdfast.projection_builds set requested_by = 'me' where id = ${build.id}`
  expect(await switchForward(stage.sql, noHooks, build, by)).toMatchObject({ build: build.id })
})

it('no batch waits for a build that cannot be switched to because a channel is parked', async () => {
  const name = stage.newName()
  await append(stage.a, `${name}:x`, 3)
  await stage.process([counting(name, 1)] as never).work()
  const first = await stage.active(name)
  let looks = 0
  const seen = async () => void looks++
  await stage.process([counting(name, 2, 2)] as never, { hooks: { ...noHooks, seen } }).work()
  const second = await until('v2 has parked it', async () => {
    const build = (await stage.builds(name)).at(-1)
    const open = await openDeliveries(stage.database, build?.group ?? '')
    return open.some(({ state }) => state === 'parked') && build?.caughtUp ? build : undefined
  })
  await stage.sql.begin(async tx => {
    // A batch of the build that readers see.
    await tx`select pg_advisory_xact_lock_shared(${buildLock}, ${first.id})`
    const before = looks
    let waiting = 0
    await until('it was looked at again', async () => {
      const rows = await stage.sql`
        select from pg_locks where locktype = 'advisory' and not granted
          and classid = ${buildLock} and objid in (${first.id}, ${second.id})`
      waiting += rows.length
      return waiting > 0 || looks > before + 3
    })
    expect(waiting).toBe(0)
  })
})

it('a switch that a reader of the view has kept from happening comes when that has ended', async () => {
  const name = stage.newName()
  await append(stage.a, `${name}:x`, 3)
  await stage.process([counting(name, 1)] as never).work()
  const first = await stage.active(name)
  await stage.sql.begin(async tx => {
    await tx.unsafe(`select * from holdfast_projections.${name}_states`)
    await stage.process([counting(name, 2)] as never).work()
    const build = await until('v2 has caught up', async () => {
      const found = (await stage.builds(name)).at(-1)
      return found?.caughtUp ? found : undefined
    })
    // For longer than the reader may stay: it is the view that is not waited for so long, while batches wait.
    // Nor is it tried at once where readers would see something older, as long as that may pass by itself.
    const refusal = await until('it is tried', () =>
      switchForward(stage.sql, noHooks, build, by, 12_000).then(
        done => expect(done).toBeUndefined(),
        (error: unknown) => error,
      ),
    )
    expect(refusal).toMatchObject({ code: '55P03' })
    expect((await stage.active(name)).id).toBe(first.id)
  })
  expect(await stage.switchedFrom(name, first.id)).toMatchObject({ version: 2 })
})

it('a group that was made once more for a dropped build is removed, by who made it and by who comes later', async () => {
  const name = stage.newName()
  const gone = async (group: string) =>
    (await stage.sql`select from holdfast.groups where name = ${group}`).length === 0
  await stage.process([counting(name, 1)] as never).work()
  const first = await stage.active(name)
  await stage.process([counting(name, 2)] as never).work()
  await stage.switchedFrom(name, first.id)
  await until('its group is there', async () => !(await gone(first.group)))
  await stage.sql`update holdfast.projection_builds set state = 'dropped', tables = '{}' where id = ${first.id}`
  await until('it is removed by who has worked on it', () => gone(first.group))
  await stage.sql`select holdfast.declare_group(${first.group}, 'ordered', null::text[], 'beginning')`
  expect(await gone(first.group)).toBe(false)
  await stage.process([counting(name, 2)] as never).work()
  await until('it is removed by who begins later', () => gone(first.group))
  expect(await gone((await stage.active(name)).group)).toBe(false)
})
