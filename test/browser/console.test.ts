import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { connectPostgres, type Sql } from '../../src/platform/index.ts'
import { findChromium } from '../support/chromium.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { bringConsolePage, launchChromium, type Watched, watchedPage } from '../support/console-browser.ts'
import { accountsTable } from '../support/console-setup.ts'
import { type FreshDatabase, freshDatabase } from '../support/database.ts'
import { connect } from '../support/sdk.ts'
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'

const operator = 'an-operators-token-of-the-test'
const viewer = 'a-viewers-token-of-the-test'

describe.skipIf(!findChromium())('the console over two nodes', () => {
  let database: FreshDatabase
  let postgres: TcpProxy
  let cluster: Cluster
  let sql: Sql
  let browser: Browser
  let ann: Watched
  let page: Page
  let stopTraffic: () => void

  beforeAll(async () => {
    bringConsolePage()
    database = await freshDatabase(inject('postgresUrl'))
    postgres = await tcpProxy(database.url)
    sql = connectPostgres(database.url, { max: 1, applicationName: 'holdfast-test' })
    await sql.unsafe(accountsTable)
    cluster = await startCluster({
      ownRedis: true,
      databaseUrl: postgres.through(database.url),
      setup: fileURLToPath(new URL('../support/console-setup.ts', import.meta.url)),
      config: {
        prober: { enabled: true, intervalMs: 1_000, auditIntervalMs: 2_000 },
        console: {
          tokens: [
            { name: 'ann', role: 'operator', token: operator },
            { name: 'vic', role: 'viewer', token: viewer },
          ],
        },
        namespaces: {
          order: { tier: 'durable', allow: { subscribe: ['client'] } },
          room: { tier: 'realtime', allow: { subscribe: ['client'] } },
        },
      },
    })
    stopTraffic = await traffic(cluster)
    browser = await launchChromium()
    ann = await watchedPage(browser)
    page = ann.page
    page.setDefaultTimeout(30_000)
    await signIn(page, operator)
  }, 180_000)
  afterAll(async () => {
    stopTraffic?.()
    await browser?.close()
    await cluster?.close()
    await sql?.end({ timeout: 1 })
    await postgres?.close()
    await database?.drop()
  })

  const node = (n = 0) => {
    const found = cluster.nodes[n]
    if (!found) throw new Error(`expected node ${n}`)
    return found
  }
  const signIn = async (on: Page, token: string) => {
    await on.goto(`${node().http}/console/`)
    await on.getByLabel('Console token').fill(token)
    await on.getByRole('button', { name: 'Sign in' }).click()
    await on.getByRole('heading', { name: 'Right now' }).waitFor()
  }
  const open = (path: string) => page.goto(`${node().http}/console/#/${path}`)
  const card = (title: string) => page.getByRole('region', { name: title, exact: true })
  const append = (channel: string, data: unknown) =>
    node().api('append', { channel, type: 'PaymentCaptured', data })

  /** Each of the eight questions, from the first page, with the clicks that somebody has. */
  async function answers(event: string, lags: RegExp): Promise<Record<string, string>> {
    await open('now')
    const said: Record<string, string> = {}
    for (const [name, title] of [
      ['lost', 'Is anything acknowledged lost?'],
      ['realtime', 'Does realtime deliver?'],
      ['durable', 'Does durable deliver?'],
      ['breakers', 'Which breaker, on which node?'],
      ['changed', 'What changed?'],
      ['rates', 'How much, compared with last week?'],
    ] as const)
      said[name] = await card(title).innerText()
    await card('Which part lags?').getByRole('link', { name: 'Which part lags?' }).click()
    // What was known before is shown until there is another answer.
    await page.locator('main').getByText(lags).first().waitFor()
    said['lags'] = await page.locator('main').innerText()
    await page.goBack()
    await page.getByRole('button', { name: 'Ask the nodes' }).click()
    await page.getByText(/^Counted for/).waitFor()
    said['top'] = await page.locator('main').innerText()
    await open('now')
    await page.getByLabel('Its id, or its channel and offset').fill(event)
    await page.getByRole('button', { name: 'Look' }).click()
    await page.locator('main .waiting').waitFor({ state: 'detached' })
    said['event'] = await page.locator('main').innerText()
    return said
  }

  it('shows both nodes and rates that move', async () => {
    await open('now')
    await card('Which nodes are there?').getByRole('listitem').nth(1).waitFor()
    await card('Which breaker, on which node?').getByText('All pass').waitFor()
    await card('Does realtime deliver?').getByText('Delivers', { exact: true }).waitFor()
    await card('Does durable deliver?').getByText('Delivers', { exact: true }).waitFor()
    await card('Is anything acknowledged lost?').getByText('Nothing is lost').waitFor()
    const figure = card('How much, compared with last week?').locator('.figure').first()
    const seen = new Set<string>()
    await until('the rate has moved', async () => {
      const text = await figure.innerText()
      if (/[1-9]/.test(text)) seen.add(text)
      return seen.size > 1
    })
  }, 60_000)

  it('tails a channel from any offset on, live, also for viewers, and writes down who did', async () => {
    const channel = 'order:tailed'
    for (let n = 1; n <= 4; n++) await append(channel, { n })
    const vic = await watchedPage(browser)
    await signIn(vic.page, viewer)
    await vic.page.goto(`${node().http}/console/#/tail?channel=${channel}&from=2`)
    const rows = vic.page.getByRole('list', { name: `Messages of ${channel}` }).getByRole('listitem')
    await rows.filter({ hasText: '{"n":4}' }).waitFor()
    expect(await rows.count()).toBe(2)
    await append(channel, { n: 5 })
    await rows.filter({ hasText: '{"n":5}' }).waitFor()
    await vic.page.getByRole('button', { name: 'Pause' }).click()
    await append(channel, { n: 6 })
    await vic.page.getByRole('button', { name: 'Go on (1 more)' }).click()
    await rows.filter({ hasText: '{"n":6}' }).waitFor()
    await vic.page.getByLabel(/^Filter by/).fill('"n":3')
    await until('one row is left', async () => (await rows.count()) === 1)
    await vic.page.goto(`${node().http}/console/#/groups`)
    await vic.page.getByRole('button', { name: 'Freeze receipts' }).waitFor()
    expect(
      await vic.page.getByRole('button', { name: 'Freeze receipts' }).getAttribute('aria-disabled'),
    ).toBe('true')
    expect(vic.complaints).toEqual([])
    await vic.context.close()
    await open('acts?actor=console:vic')
    await page.getByRole('cell', { name: channel }).first().waitFor()
  }, 60_000)

  it('redrives what is parked, after the cause is mended, and tells the event’s story', async () => {
    await append('order:parked', { cents: 4_200 })
    await open('parked?channel=order:parked')
    await page.getByText('1 delivery matches').waitFor()
    await page.getByRole('cell', { name: /no such account/ }).waitFor()
    await sql`insert into public.accounts values ('ann')`
    await page.getByRole('button', { name: 'Redrive all 1 …' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Redrive 1' }).click()
    await page.getByText('Done: 1 of 1 are handled again').waitFor()
    await page.getByRole('button', { name: 'Close' }).click()
    await page.getByText('0 deliveries match').waitFor()
    await open('event?channel=order:parked&offset=1')
    await page.getByText('recorded in the ledger').waitFor()
    await page.getByRole('row', { name: /receipts.*(done|settled)/ }).waitFor()
  }, 60_000)

  it('makes a namespace read-only, sends a test message that is refused, and takes it back', async () => {
    const decide = async (button: string, reason: string) => {
      await open('namespaces')
      await page.getByRole('button', { name: `${button}: order` }).click()
      const dialog = page.getByRole('dialog')
      await dialog.getByLabel(/^Reason/).fill(reason)
      await dialog.getByRole('button', { name: button }).click()
      await dialog.getByRole('alert').waitFor()
      await dialog.getByRole('button', { name: 'Close' }).click()
    }
    const send = async (outcome: RegExp) => {
      await open('send?channel=order:sent')
      await page.getByRole('button', { name: 'Append it' }).click()
      await page.getByRole('alert').getByText(outcome).waitFor()
    }
    await decide('Make read-only', 'a bad deploy')
    await send(/read-only/)
    await decide('Take it back', 'mended')
    await send(/It took/)
    await open('acts?target=order')
    await page.getByRole('cell', { name: 'a bad deploy' }).first().waitFor()
  }, 60_000)

  it('answers all eight questions while Redis hangs', async () => {
    await append('order:story', { n: 1 })
    cluster.redis?.process.kill('SIGSTOP')
    try {
      await open('now')
      await card('Which breaker, on which node?')
        .getByText(/bus.* on .*,/)
        .waitFor()
      await card('What changed?').getByText(/bus/).first().waitFor()
      const said = await answers('order:story@1', /receipts/)
      for (const answer of Object.values(said)) expect(answer.length).toBeGreaterThan(20)
      expect(said['rates']).toMatch(/[1-9][\d.,]*\/s/)
      expect(said['top']).toMatch(/room:lobby|order:busy/)
      expect(said['event']).toContain('recorded in the ledger')
      await page
        .getByRole('banner')
        .getByText(/other nodes silent/)
        .waitFor()
    } finally {
      cluster.redis?.process.kill('SIGCONT')
    }
    await open('now')
    await card('Which breaker, on which node?').getByText('All pass').waitFor()
  }, 120_000)

  it('answers all eight questions while Postgres is away, and says what it cannot know', async () => {
    postgres.refuse()
    postgres.cut('rst')
    try {
      await open('now')
      await card('Which breaker, on which node?')
        .getByText(/ledger.* on .*,/)
        .waitFor()
      const said = await answers('order:story@1', /Postgres is silent|Not known/)
      for (const answer of Object.values(said)) expect(answer.length).toBeGreaterThan(20)
      expect(said['rates']).toMatch(/[1-9][\d.,]*\/s/)
      expect(said['event']).toMatch(/Not known|recorded in the ledger/)
      await page
        .getByRole('banner')
        .getByText(/Postgres silent/)
        .waitFor()
    } finally {
      await postgres.heal()
    }
    await open('now')
    await card('Which breaker, on which node?').getByText('All pass').waitFor()
  }, 120_000)

  it('gives the browser no reason to complain', () => {
    expect(ann.complaints).toEqual([])
  })
})

/** Both tiers, all the time, from the first node to a subscriber on the second; more and less by turns. */
async function traffic({ nodes: [a, b] }: Cluster): Promise<() => void> {
  if (!a || !b) throw new Error('expected two nodes')
  const client = await connect(b.url, 'bob')
  for (const channel of ['room:lobby', 'order:busy']) client.newSubscription(channel).subscribe()
  let n = 0
  const timer = setInterval(() => {
    n++
    for (let i = 0; i < 1 + (n % 30); i++)
      a.api('publish', { channel: 'room:lobby', data: { n } }).catch(() => undefined)
    a.api('append', { channel: 'order:busy', type: 'Ticked', data: { n } }).catch(() => undefined)
  }, 200)
  return () => {
    clearInterval(timer)
    client.disconnect()
  }
}
