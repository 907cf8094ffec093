import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { tcpProxy } from '../../test/support/tcp-proxy.ts'
import { tlsPostgres } from '../../test/support/tls-postgres.ts'
import { until } from '../../test/support/until.ts'
import { connectPostgres, type Sql } from './postgres.ts'

let admin: Sql
let made = 0

beforeAll(() => {
  admin = connectPostgres(inject('postgresUrl'), { max: 1, applicationName: 'test' })
})
afterAll(() => admin?.end())

const connections = async (applicationName: string) => {
  const [row] = await admin<{ count: number }[]>`
    select count(*)::int as count from pg_stat_activity where application_name = ${applicationName}`
  return row?.count ?? 0
}

describe('a pool that has ended', () => {
  it('makes no connection any more that waited to be made again', async () => {
    const applicationName = `ended-${process.pid}-${++made}`
    const url = inject('postgresUrl')
    const proxy = await tcpProxy(url)
    const pool = connectPostgres(proxy.through(url), { max: 1, applicationName })
    proxy.refuse()
    await expect(pool`select 1`).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    // The driver pauses for 25 ms at least before it connects again: the end comes in that pause.
    await delay(5)
    const waiting = pool`select 1`.catch(error => error)
    await pool.end({ timeout: 0 })
    await proxy.heal()
    expect(await waiting).toMatchObject({ code: 'CONNECTION_DESTROYED' })
    await delay(500)
    expect(await connections(applicationName)).toBe(0)
    await proxy.close()
  })

  it('leaves no connection to a server that does not answer', async () => {
    const open = new Set<unknown>()
    const silent = createServer(socket => {
      open.add(socket)
      socket.resume().once('close', () => open.delete(socket))
      socket.on('error', () => undefined)
    })
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    const address = silent.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const url = `postgres://ann@127.0.0.1:${port}/x`
    for (const afterMs of [0, 1, 20]) {
      const pool = connectPostgres(url, { max: 2, applicationName: 'test' })
      const waiting = [pool`select 1`, pool`select 2`].map(each => each.catch(error => error))
      await delay(afterMs)
      await pool.end({ timeout: 0 })
      for (const each of waiting) expect(await each).toMatchObject({ code: 'CONNECTION_DESTROYED' })
    }
    await until('no connection is left', () => open.size === 0)
    await new Promise(resolve => silent.close(resolve))
  })

  it('lets what is under way end, where it has the time', async () => {
    const applicationName = `ended-${process.pid}-${++made}`
    const pool = connectPostgres(inject('postgresUrl'), { max: 2, applicationName })
    const answers = Promise.all([pool`select pg_sleep(0.5)`, pool`select pg_sleep(0.5)`])
    await until('they are at work', async () => (await connections(applicationName)) === 2)
    await pool.end({ timeout: 5 })
    expect(await answers).toHaveLength(2)
    await until('its connections are gone', async () => (await connections(applicationName)) === 0)
  })
})

describe('a pool whose server is away', () => {
  it('says so to each who asks, at once, and works again as soon as it is back', async () => {
    const url = inject('postgresUrl')
    const proxy = await tcpProxy(url)
    const pool = connectPostgres(proxy.through(url), { max: 1, applicationName: 'test' })
    for (const how of ['rst', 'fin'] as const) {
      expect(await pool`select 1 as one`).toEqual([{ one: 1 }])
      proxy.refuse()
      proxy.cut(how)
      const codes: unknown[] = []
      // Also what is asked between the failure of the connection and its close, as by somebody who tries again at once.
      for (let i = 0; i < 6; i++) codes.push(await pool`select 1`.catch(error => error.code))
      // None of them is CONNECT_TIMEOUT.
      for (const code of codes) expect(code).toMatch(/^(ECONNRE(SET|FUSED)|CONNECTION_CLOSED)$/)
      expect(codes.slice(-3)).toEqual(Array(3).fill('ECONNREFUSED'))
      await proxy.heal()
    }
    expect(await pool`select 1 as one`).toEqual([{ one: 1 }])
    await pool.end()
    await proxy.close()
  })

  it('answers each who asks, in whichever turn of the event loop a connection breaks', async () => {
    const url = inject('postgresUrl')
    const proxy = await tcpProxy(url)
    const pool = connectPostgres(proxy.through(url), { max: 2, applicationName: 'test' })
    const turns = [setImmediate, (ask: () => void) => setTimeout(ask, 0), queueMicrotask]
    const asked: Promise<unknown>[] = []
    const ask = () => asked.push(pool`select 1 as one`.catch(error => error))
    for (let round = 0; round < 60; round++) {
      await Promise.all([pool`select 1`, pool`select 2`])
      proxy.cut(round % 2 ? 'rst' : 'fin')
      for (let turn = 0; turn < 12; turn++) {
        turns[(round + turn) % turns.length]?.(ask)
        await new Promise(resolve => turns[(round * turn) % 2]?.(() => resolve(undefined)))
      }
      const answers = await Promise.race([Promise.all(asked.splice(0)), delay(3_000)])
      expect(answers).toBeDefined()
    }
    expect(await pool`select 1 as one`).toEqual([{ one: 1 }])
    await pool.end()
    await proxy.close()
  })

  it('gives up a connection that is accepted and never greeted', async () => {
    const url = inject('postgresUrl')
    const proxy = await tcpProxy(url)
    proxy.hold()
    const pool = connectPostgres(proxy.through(url), { max: 1, applicationName: 'test' })
    await expect(pool`select 1`).rejects.toMatchObject({ code: 'CONNECT_TIMEOUT' })
    await proxy.heal()
    expect(await pool`select 1 as one`).toEqual([{ one: 1 }])
    await pool.end()
    await proxy.close()
  })
})

describe('a pool over TLS', () => {
  it('works, comes back after its connection has broken, and leaves none at its end', async () => {
    const server = await tlsPostgres('S', inject('postgresUrl'))
    const url = `${server.url}?sslmode=require`
    const pool = connectPostgres(url, { max: 1, applicationName: 'test' })
    for (let round = 0; round < 3; round++) {
      expect(await pool`select 1 as one`).toEqual([{ one: 1 }])
      server.reset()
      // Who asks while it is not yet known may be answered by nobody, and gives up.
      await until('it is noticed', () => server.open === 0)
      await delay(50)
    }
    expect(await pool`select 1 as one`).toEqual([{ one: 1 }])
    expect(server.open).toBe(1)
    await pool.end({ timeout: 0 })
    await until('no connection is left', () => server.open === 0)
    server.close()
  })
})

describe('a pool with several hosts', () => {
  it('finds the one that answers, and says where none does', async () => {
    const { host, username, password, pathname } = new URL(inject('postgresUrl'))
    const account = `${username}${password && `:${password}`}`
    const over = (hosts: string) =>
      connectPostgres(`postgres://${account}@${hosts}${pathname}`, { max: 2, applicationName: 'test' })
    const found = over(`127.0.0.1:1,${host}`)
    expect(await found`select 1 as one`).toEqual([{ one: 1 }])
    await found.end({ timeout: 1 })
    const none = over('127.0.0.1:1')
    await expect(none`select 1`).rejects.toMatchObject({ code: 'ECONNREFUSED', port: 1 })
    await none.end({ timeout: 1 })
  })
})
