import { chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../../test/support/until.ts'
import { freePort } from '../../cli/services/free-port.ts'
import { type LocalPostgres, startLocalPostgres } from '../../cli/services/local-postgres.ts'
import { asHoldfastError, newEventId } from '../../domain/index.ts'
import { connectPostgres } from '../../platform/index.ts'
import { migrate } from '../migrate.ts'
import { createPostgresLedger } from './postgres-ledger.ts'

let directory: string
let port: number
let postgres: LocalPostgres

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-ledger-'))
  port = await freePort()
  postgres = await start('on')
  await asSuperuser(`create role app login password 'secret'; alter database holdfast owner to app`)
  await migrate(ownerUrl())
})
afterAll(async () => {
  await postgres.stop()
  await rm(directory, { recursive: true, force: true })
})

const start = (fsync: string) =>
  startLocalPostgres({ directory: join(directory, 'data'), port, flags: ['-c', `fsync=${fsync}`] })
/** The owner of the database, who is no superuser and may not make roles. */
const ownerUrl = () => postgres.url.replace('postgres:postgres@', 'app:secret@')
const open = (allowUnsafeFsync = false, url = ownerUrl()) =>
  createPostgresLedger({ url, poolSize: 2, lanes: 1, allowUnsafeFsync })
const event = (data = '1') => ({ channel: 'order:1', type: 'T', data, id: newEventId() })

/** For `until`: not yet, where the error passes. */
const temporary = (thrown: unknown) => {
  if (asHoldfastError(thrown).remedy !== 'retry_later') throw thrown
  return undefined
}

async function asSuperuser(statement: string): Promise<readonly Record<string, unknown>[]> {
  const sql = connectPostgres(postgres.url, { max: 1, applicationName: 'holdfast-test' })
  try {
    return await sql.unsafe(statement)
  } finally {
    await sql.end()
  }
}

test('an owner who is no superuser and may not make roles has a whole ledger', async () => {
  expect(await asSuperuser(`select 1 from pg_roles where rolname = 'holdfast_runtime'`)).toHaveLength(0)
  const ledger = await open()
  const channel = 'owned:1'
  expect(await ledger.append({ ...event(), channel })).toMatchObject({ event: { offset: 1 } })
  const sql = connectPostgres(ownerUrl(), { max: 1, applicationName: 'holdfast-test' })
  await sql`select holdfast.remove_events(${ledger.epoch}, ${ledger.partitionOf(channel)}, ${channel}, 1)`
  await sql`select holdfast.new_epoch()`
  await sql.end()
  expect(await ledger.append({ ...event(), channel })).toMatchObject({ event: { offset: 2 } })
  await ledger.close()
})

test('where nobody listens the error says so without the password', async () => {
  const url = `postgres://ann:secret@127.0.0.1:${await freePort()}/x`
  const error = await open(false, url).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'DEPENDENCY_FAILED', message: expect.stringContaining('ECONNREFUSED') })
  expect(String(error)).not.toContain('secret')
})

test('a ledger survives that Postgres goes away and comes back', async () => {
  const ledger = await open()
  expect(await ledger.append(event())).toMatchObject({ event: { offset: 1 } })
  await postgres.stop()
  const failed = await ledger.readChannel('order:1', { limit: 1 }).catch((thrown: unknown) => thrown)
  expect(failed).toMatchObject({ remedy: 'retry_later' })
  const lost = event('2')
  const [unknown, overlapping] = [ledger.append(lost), ledger.append(event('3'))]
  await expect(unknown).rejects.toMatchObject({ code: 'DEPENDENCY_TIMEOUT', remedy: 'retry_later' })
  await expect(overlapping).rejects.toMatchObject({ code: 'DEPENDENCY_TIMEOUT' })
  // Known to be away by now, so nothing waits for it; found to be back without anybody's doing.
  await expect(ledger.append(lost)).rejects.toMatchObject({ code: 'DEPENDENCY_REJECTED' })
  postgres = await start('on')
  const outcome = await until('appends pass again', () => ledger.append(lost).catch(temporary))
  // A duplicate where the first answer came too late and the batch was sent again.
  expect(outcome.kind === 'stored' ? outcome.event.offset : 'offset' in outcome && outcome.offset).toBe(2)
  const { events } = await ledger.readChannel('order:1', { limit: 9 })
  // The last attempt of the batch that was given up may have reached the server when it came back.
  expect(events.map(({ data }) => data)).toEqual(['1', '2', '3'].slice(0, events.length))
  expect(events.length).toBeGreaterThan(1)
  await ledger.ping()
  await ledger.close()
})

test('a server without fsync is refused unless that is allowed', async () => {
  await postgres.stop()
  postgres = await start('off')
  await expect(open()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('fsync'),
  })
  const ledger = await open(true)
  expect((await ledger.append(event())).kind).toBe('stored')
  await ledger.close()
  await postgres.stop()
  postgres = await start('on')
})

test('a server whose fsync is turned off while it runs takes no further event until it is on again', async () => {
  const ledger = await open()
  expect((await ledger.append(event())).kind).toBe('stored')
  const { length } = await asSuperuser('select from holdfast.events')
  await postgres.stop()
  // From its file, so that it can be changed without a start.
  postgres = await startLocalPostgres({ directory: join(directory, 'data'), port })
  await until('it stores again', () => ledger.append(event()).catch(temporary))
  await asSuperuser('alter system set fsync = off')
  await asSuperuser('select pg_reload_conf()')
  await until(
    'the server has heard of it',
    async () => (await asSuperuser('show fsync'))[0]?.['fsync'] === 'off',
  )
  const refused = await ledger.append(event()).catch((thrown: unknown) => asHoldfastError(thrown))
  expect(refused).toMatchObject({ remedy: 'retry_later' })
  expect(await asSuperuser('select from holdfast.events')).toHaveLength(length + 1)
  await asSuperuser('alter system reset fsync')
  await asSuperuser('select pg_reload_conf()')
  await until('it stores again', () => ledger.append(event()).catch(temporary))
  await ledger.close()
})

test('a standby that stands where the primary stood takes nothing and judges nothing, and is left when it is promoted', async () => {
  const ledger = await open()
  await ledger.append(event())
  const before = await ledger.partitionHeads([ledger.partitionOf('order:1')])
  await postgres.stop()
  const signal = join(postgres.directory, 'standby.signal')
  await writeFile(signal, '')
  await chown(signal, (await stat(postgres.directory)).uid, (await stat(postgres.directory)).gid)
  // Which ends when it is promoted.
  const starting = start('on')
  const asked = () => asSuperuser('select pg_is_in_recovery() as standby').catch(() => [])
  await until('the standby answers', async () => (await asked())[0]?.['standby'] === true)
  await expect(ledger.append(event())).rejects.toMatchObject({ remedy: 'retry_later' })
  await expect(ledger.partitionHeads([0])).rejects.toMatchObject({ remedy: 'retry_later' })
  expect(ledger.losses.lostOn).toBeUndefined()
  await asSuperuser('select pg_promote()')
  postgres = await starting
  await until('it stores again', () => ledger.append(event()).catch(temporary))
  const after = await ledger.partitionHeads([ledger.partitionOf('order:1')])
  expect([...after.values()][0]).toBeGreaterThan([...before.values()][0] ?? 0)
  await ledger.close()
})

test.each([
  ['lacks events that this process has stored', 0],
  ['has given their numbers to others meanwhile', 20],
])('a server that was started again and %s gets no event', async (_, others) => {
  const ledger = await open()
  for (let n = 0; n < 10; n++) await ledger.append(event())
  await postgres.stop()
  postgres = await start('on')
  const [{ keep } = { keep: 0 }] = (await asSuperuser(
    'select max(position) - 5 as keep from holdfast.events',
  )) as { keep: number }[]
  await asSuperuser(
    `begin; select set_config('holdfast.acting', 'remove_events', true);
     delete from holdfast.events where position > ${keep}; commit`,
  )
  const another = await open()
  for (let n = 0; n < others; n++) await another.append(event())
  const before = await asSuperuser('select id from holdfast.events')
  const refused = () =>
    ledger.append(event()).then(
      () => 'STORED',
      thrown => (asHoldfastError(thrown).code === 'LEDGER_BEHIND' ? 'LEDGER_BEHIND' : undefined),
    )
  expect(await until('it answers', refused)).toBe('LEDGER_BEHIND')
  expect(await asSuperuser('select id from holdfast.events')).toHaveLength(before.length)
  await asSuperuser('select holdfast.new_epoch()')
  await until('it goes on in a new epoch', async () => {
    await ledger.partitionHeads([0]).catch(temporary)
    return ledger.losses.lostOn === undefined
  })
  expect((await ledger.append(event())).kind).toBe('stored')
  await Promise.all([ledger, another].map(each => each.close()))
})
