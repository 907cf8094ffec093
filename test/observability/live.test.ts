import { setTimeout as delay } from 'node:timers/promises'
import type { Centrifuge } from 'centrifuge'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { connectPostgres, type Sql } from '../../src/platform/index.ts'
import { allFaults } from '../chaos/faults/all.ts'
import { api } from '../chaos/faults/api.ts'
import { token } from '../chaos/holdfast/config.ts'
import { ObservedChaos } from '../chaos/observe/observed-chaos.ts'
import type { NodeProcess, Running } from '../chaos/types.ts'
import { findPrometheus } from '../support/install-prometheus.ts'
import type { Prometheus } from '../support/prometheus.ts'
import { connect, subscribe } from '../support/sdk.ts'
import { until } from '../support/until.ts'
import { asked, panels } from './expressions.ts'

const program = findPrometheus()?.prometheus ?? ''
const patienceMs = 90_000

/** What this deployment does not have, as the panels themselves say. */
const absent = [
  'a standby',
  'node_exporter',
  '`auth.token.jwksUrl`',
  'TLS',
  // Looked at when one does.
  'an alert that fires',
  'a Redis that counts them',
]

const neverHere = [
  'HoldfastAcknowledgedLost',
  'HoldfastAuditDiffers',
  'HoldfastAuditIncomplete',
  'HoldfastProbesAlone',
  'HoldfastNodesApart',
  'HoldfastProbesAbsent',
  'HoldfastAbsent',
  'HoldfastNodeRestarts',
  'HoldfastClockWrong',
  'HoldfastMemory',
  'HoldfastVersionsDiffer',
  'HoldfastForeignMessages',
  'HoldfastReconnectStorm',
  'HoldfastLedgerWentBack',
  'HoldfastNewEpoch',
  'HoldfastOutboxRefused',
  'HoldfastRedisMemory',
  'HoldfastRedisEvicts',
  'HoldfastRedisPolicy',
  'HoldfastPostgresConnections',
  'HoldfastLedgerGrows',
]

/** The others are watched by `npm run chaos -- --observe`. Those of a line happen at the same time, to different things. */
const faults = [['redis-hangs', 'node-killed'], ['postgres-killed']]

describe.skipIf(program === '')(
  'a real Prometheus that scrapes two nodes and two workers under traffic',
  () => {
    const chaos = new ObservedChaos({ seed: 7, redisServer: inject('redisServer'), prometheus: program })
    const over = new AbortController()
    let prometheus: Prometheus
    let traffic: Promise<void>

    beforeAll(async () => {
      const open = await chaos.open()
      prometheus = open.prometheus
      const sql = connectPostgres(open.stage.postgres.directUrl, { max: 1, applicationName: 'holdfast-test' })
      open.stage.defer(() => sql.end({ timeout: 1 }))
      traffic = traffics(open.running, sql, over.signal)
      // It is looked at where it is waited for.
      traffic.catch(() => undefined)
    }, 240_000)
    afterAll(async () => {
      over.abort()
      await traffic?.catch(() => undefined)
      await chaos[Symbol.asyncDispose]()
    }, 60_000)

    it('gives every panel something to show', { timeout: patienceMs + 30_000 }, async () => {
      const open = new Map(
        panels
          .filter(({ only }) => only === undefined || !absent.includes(only))
          .flatMap(({ where, asks }) =>
            asks.map(({ expr, legend }) => [`${where} (${legend})`, expr] as const),
          ),
      )
      expect(open.size).toBeGreaterThan(120)
      const look = async () => {
        for (const [name, expr] of open) {
          const series = await prometheus.query(asked(expr, '10s'))
          if (series.some(({ value }) => Number.isFinite(value))) open.delete(name)
        }
        return open.size === 0
      }
      const shown = until('every panel shows something', look, patienceMs).catch(() => undefined)
      await Promise.race([shown, traffic])
      expect([...open.keys()]).toEqual([])
    })

    it('raises none of the alarms that a slow machine cannot explain', async () => {
      const firing = (await prometheus.alerts()).filter(({ state }) => state === 'firing')
      expect(firing.map(({ name }) => name).filter(name => neverHere.includes(name))).toEqual([])
      // What the traffic brings about.
      await until('the parked events are told', async () =>
        (await prometheus.alerts()).some(
          ({ name, state }) => name === 'HoldfastParked' && state === 'firing',
        ),
      )
      const table = panels.find(({ only }) => only === 'an alert that fires')
      const rows = await prometheus.query(table?.asks[0]?.expr ?? '')
      expect(rows.map(({ metric }) => metric.alertname)).toContain('HoldfastParked')
      over.abort()
      await traffic
    })

    it.each(faults)(
      'shows what is struck on a panel, fires an alert, and clears it: %s, %s',
      { timeout: 300_000 },
      async (...names) => {
        const struck = allFaults.filter(({ name }) => names.includes(name))
        const observed = await Promise.all(struck.map(fault => chaos.observe(fault)))
        // What one does not see takes the stage from the others.
        const said = observed.map(each => (each.kind === 'unseen' ? String(each.error) : each.kind))
        expect(said).toEqual(names.map(() => 'seen'))
      },
    )
  },
)

/** Everything that users and applications do, again and again until it is over. */
async function traffics({ nodes }: Running, sql: Sql, over: AbortSignal): Promise<void> {
  const [a, b] = nodes
  if (!a || !b) throw new Error('there are no two nodes')
  const clients: Centrifuge[] = []
  for (const [user, { port }] of [
    ['ann', a],
    ['bob', b],
  ] as const) {
    const url = `ws://127.0.0.1:${port}/connection/websocket`
    const client = await connect(url, user, { token: await token(user) })
    for (const channel of ['room:1', 'recent:1', 'past:1']) await subscribe(client, channel)
    clients.push(client)
  }
  let failed = 0
  for (let n = 0; !over.aborted; n++) {
    try {
      await once(n, clients, sql, [a, b])
      failed = 0
    } catch (error) {
      // A slow machine refuses something now and then, and not every time.
      if (++failed === 10) throw error
    }
    await delay(100)
  }
  for (const client of clients) client.disconnect()
}

async function once(
  n: number,
  [ann, bob]: readonly Centrifuge[],
  sql: Sql,
  [a, b]: readonly [NodeProcess, NodeProcess],
): Promise<void> {
  await ann?.publish('room:1', { n })
  await api(b, 'publish', { channel: 'recent:1', data: { n } })
  const type = n % 10 === 5 ? 'Poison' : 'Placed'
  const { offset } = await api(a, 'append', { channel: 'past:1', type, data: { n } })
  await ann?.rpc('holdfast.ack', { channel: 'past:1', cursor: 'inbox', offset })
  await api(a, 'command', { channel: 'account:1', command: 'say', input: { values: [`${n}`] } })
  await sql`select holdfast_publish('past:2', 'Placed', ${JSON.stringify({ n })})`
  if (n % 5 !== 4) return
  // What cannot be done, for an error; and whoever comes back, and recovers what was missed.
  await ann?.publish('nowhere:1', {}).catch(() => undefined)
  bob?.disconnect()
  try {
    await api(a, 'publish', { channel: 'recent:1', data: { missed: n } })
    await api(a, 'append', { channel: 'past:1', type: 'Placed', data: { missed: n } })
  } finally {
    bob?.connect()
  }
  await bob?.ready(10_000)
}
