import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest'
import { type FreshDatabase, freshDatabase } from '../../test/support/database.ts'
import { type TcpProxy, tcpProxy } from '../../test/support/tcp-proxy.ts'
import { connectPostgres, type Sql, type Transaction } from './postgres.ts'
import { transaction } from './transaction.ts'

let database: FreshDatabase
let direct: Sql
let proxy: TcpProxy
let sql: Sql
const escaped: unknown[] = []
const onEscape = (error: unknown) => escaped.push(error)

beforeAll(async () => {
  database = await freshDatabase(inject('postgresUrl'))
  direct = connectPostgres(database.url, { max: 1, applicationName: 'holdfast-test' })
  await direct`create table seen (n int)`
  await open()
  // What the driver throws in a callback of its own can be seen only here.
  process.on('uncaughtException', onEscape).on('unhandledRejection', onEscape)
})
afterEach(async () => {
  await delay(50)
  expect(escaped).toEqual([])
  await direct`truncate seen`
})
afterAll(async () => {
  process.off('uncaughtException', onEscape).off('unhandledRejection', onEscape)
  await Promise.all([sql.end({ timeout: 1 }), direct.end({ timeout: 1 })])
  await proxy.close()
  await database.drop()
})

async function open(): Promise<void> {
  proxy = await tcpProxy(database.url)
  sql = connectPostgres(proxy.through(database.url), { max: 1, applicationName: 'holdfast-test' })
}
const seen = async () => (await direct<{ n: number }[]>`select n from seen order by n`).map(row => row.n)

it('commits what resolves, and rolls back what rejects', async () => {
  expect(
    await transaction(sql, async tx => (await tx`insert into seen values (1) returning n`)[0]?.['n']),
  ).toBe(1)
  const failed = transaction(sql, async tx => {
    await tx`insert into seen values (2)`
    throw new Error('no')
  })
  await expect(failed).rejects.toThrow('no')
  expect(await seen()).toEqual([1])
})

it('says that it was rolled back when a statement has failed that nobody waited for', async () => {
  const failed = transaction(sql, async tx => {
    await tx`insert into seen values (1)`
    tx`select 1 / 0`.execute()
  })
  await expect(failed).rejects.toThrow('zero')
  expect(await seen()).toEqual([])
  await transaction(sql, async tx => {
    await tx`insert into seen values (2)`
    await tx.savepoint(inner => inner`select 1 / 0`).catch(() => undefined)
  })
  expect(await seen()).toEqual([2])
})

it('keeps savepoints, fragments and named values', async () => {
  await transaction(sql, async tx => {
    await tx.savepoint(async inner => inner`insert into seen ${inner([{ n: 1 }])}`)
    await expect(tx.savepoint(inner => inner`select 1 / 0`)).rejects.toThrow('zero')
    await tx`insert into seen select ${2} where ${tx`true`}`
    await tx.unsafe('insert into seen values ($1)', [3])
  })
  expect(await seen()).toEqual([1, 2, 3])
})

it('outlives a connection that is lost while a statement is under way', async () => {
  proxy.loseAnswers()
  await expect(
    transaction(sql, tx => tx`insert into seen values (1)`.then(() => undefined)),
  ).rejects.toThrow()
  proxy.answerAgain()
  const waiting = transaction(sql, async tx => {
    await tx`insert into seen values (2)`
    proxy.loseAnswers()
    await tx`insert into seen values (3)`
  })
  await expect(waiting).rejects.toThrow('CONNECTION_CLOSED')
  proxy.answerAgain()
  expect(await seen()).toEqual([])
})

it('outlives a connection that is lost between two statements, and what is sent afterwards changes nothing', async () => {
  const lost = Promise.withResolvers<void>()
  const late: Promise<unknown>[] = []
  const act = async (tx: Transaction) => {
    await tx`insert into seen values (1)`
    const [own] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`
    await direct`select pg_terminate_backend(${own?.pid ?? 0})`
    await lost.promise
    const statement = tx`insert into seen values (2)`.catch(error => error.message)
    late.push(statement)
    await statement
  }
  await expect(transaction(sql, act)).rejects.toThrow(/terminating|CONNECTION_CLOSED/)
  // The pool has a new connection by now, in nobody's transaction.
  expect(await sql`select 1 as one`).toEqual([{ one: 1 }])
  lost.resolve()
  await delay(20)
  expect(await Promise.all(late)).toEqual([expect.stringContaining('has ended')])
  expect(await seen()).toEqual([])
})

it('refuses what is sent after its end', async () => {
  const kept = await transaction(sql, async tx => ({ tx }))
  await expect(kept.tx`insert into seen values (1)`).rejects.toThrow('has ended')
  await expect(kept.tx.savepoint(inner => inner`insert into seen values (2)`)).rejects.toThrow('has ended')
  expect(await seen()).toEqual([])
})
