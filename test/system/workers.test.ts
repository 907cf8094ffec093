import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { connectPostgres, type Sql } from '../../src/platform/index.ts'
import { type Cluster, type Node, startCluster, tokenSecret } from '../support/cluster.ts'
import { until } from '../support/until.ts'

const door = fileURLToPath(new URL('../../src/app/index.ts', import.meta.url))

/** What an operator would write: a configuration, and the handlers of the worker processes beside it. */
const module = `
import { done, park } from ${JSON.stringify(door)}

export default {
  auth: { token: { hmacSecret: ${JSON.stringify(tokenSecret)} } },
  log: { level: 'warn' },
  workers: { leaseMs: 2000 },
  namespaces: {
    order: { tier: 'durable', allow: { subscribe: ['client'], append: ['client'], history: ['client'] } },
  },
  jobs: { rules: { mail: { on: { channel: 'order:*', type: 'Paid' }, handler: 'mail' } } },
}

export function setup(hf) {
  hf.group('receipts').on('order:{id}', 'Paid', async ({ id, params, data }, { tx }) => {
    if (data.cents <= 0) return park('nothing was paid')
    await tx\`insert into receipts (event, "order", cents, pid) values (\${id}, \${params.id}, \${data.cents}, \${process.pid})\`
    return done()
  })
  hf.job('mail', async ({ id }, { tx }) => {
    await tx\`insert into mails (event) values (\${id})\`
  })
}
`

describe('processes with roles', () => {
  let directory: string
  let cluster: Cluster
  let sql: Sql
  let gateway: Node
  const workers: Node[] = []

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-workers-'))
    const file = join(directory, 'holdfast.ts')
    await writeFile(file, module)
    cluster = await startCluster({ nodes: 0 })
    gateway = await cluster.start({ env: { HOLDFAST_CONFIG: file }, args: ['--role', 'gateway'] })
    sql = connectPostgres(cluster.databaseUrl, { max: 2, applicationName: 'test' })
    await sql`create table receipts (event uuid, "order" text, cents int, pid int)`
    await sql`create table mails (event uuid)`
    for (let n = 0; n < 2; n++) {
      workers.push(await cluster.start({ env: { HOLDFAST_CONFIG: file }, args: ['--role', 'worker'] }))
    }
  })
  afterAll(async () => {
    await sql?.end()
    await cluster?.close()
    await rm(directory, { recursive: true, force: true })
  })

  const pay = (from: number, to: number) =>
    Promise.all(
      Array.from({ length: to - from + 1 }, (_, i) =>
        gateway.api('append', { channel: `order:${from + i}`, type: 'Paid', data: { cents: from + i } }),
      ),
    )
  const count = async (table: string) =>
    Number((await sql<{ n: number }[]>`select count(*) as n from ${sql(table)}`)[0]?.n)

  it('share the work: the gateway appends, both workers handle, each event once', async () => {
    // A worker that has just come gets its share with one of its next ticks.
    await until('both workers hold partitions', async () => {
      const rows = await sql`select distinct holder from holdfast.group_partitions where "group" = 'receipts'`
      return rows.length === 2 && rows.every(({ holder }) => holder !== null)
    })
    await pay(1, 100)
    await until('all receipts are written', async () => (await count('receipts')) >= 100)
    await until('all mails are sent', async () => (await count('mails')) >= 100)
    expect(await count('receipts')).toBe(100)
    expect(await count('mails')).toBe(100)
    const pids = await sql<{ pid: number }[]>`select distinct pid from receipts order by pid`
    expect(pids.map(({ pid }) => pid)).toEqual(
      workers.map(({ process }) => process.pid).sort((a, b) => (a ?? 0) - (b ?? 0)),
    )
  }, 60_000)

  it('let the gateway take clients and do no work, and the worker do work and take no clients', async () => {
    const refused = new WebSocket(workers[0]?.url ?? '')
    const [error] = (await once(refused, 'error')) as [Error]
    expect(error.message).toContain('404')
    const socket = new WebSocket(gateway.url)
    await once(socket, 'open')
    socket.terminate()
    expect((await fetch(`${workers[0]?.http}/health/ready`)).status).toBe(200)
  })

  it('go on when one is killed, within the lease', async () => {
    await workers[0]?.kill()
    await pay(101, 150)
    await until('the other has done it all', async () => (await count('receipts')) >= 150)
    await until('its jobs too', async () => (await count('mails')) >= 150)
    expect(await count('receipts')).toBe(150)
    expect(await count('mails')).toBe(150)
  }, 60_000)

  it('finish what is in hand when they are asked to stop', async () => {
    await pay(151, 170)
    expect(await workers[1]?.stop()).toBe(0)
    const settled = await sql<{ receipts: number; passed: number }[]>`
      select (select count(*) from receipts where cents > 150) as receipts,
             (select count(*) from holdfast.events as e
              join holdfast.group_partitions as g on g.partition = e.partition and g."group" = 'receipts'
              where e.position <= g.position and e.channel like 'order:%' and (e.data::json->>'cents')::int > 150) as passed`
    expect(settled[0]?.receipts).toBe(settled[0]?.passed)
    const [left] = await sql`select count(*) as n from holdfast.group_members where "group" = 'receipts'`
    expect(Number(left?.['n'])).toBe(0)
  }, 60_000)

  it('show their lags to whoever reads the metrics', async () => {
    const text = await (await fetch(`${gateway.http}/metrics`)).text()
    expect(text).toMatch(/^holdfast_group_lag\S*\{[^}]*group="receipts"[^}]*\} \d+/m)
    expect(text).toMatch(/^holdfast_outbox_waiting\S*(\{\})? 0$/m)
    expect(text).toMatch(/^holdfast_deliveries\S*\{[^}]*consumer="group\/receipts",state="parked"[^}]*\} 0/m)
    expect(text).toMatch(/^holdfast_deliveries\S*\{[^}]*consumer="rule\/mail",state="queued"[^}]*\} \d+/m)
    expect(text).not.toMatch(/order:/)
  })
})
