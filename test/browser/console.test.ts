import { fileURLToPath } from 'node:url'
import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { freePort } from '../../src/cli/services/free-port.ts'
import { startLocalRedis } from '../../src/cli/services/local-redis.ts'
import { connectPostgres, type Sql } from '../../src/platform/index.ts'
import { findChromium } from '../support/chromium.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { bringConsolePage, launchChromium, type Watched, watchedPage } from '../support/console-browser.ts'
import { consoleJobs, consoleTables } from '../support/console-setup.ts'
import { type FreshDatabase, migratedDatabase } from '../support/database.ts'
import { type KillableRedis, killableRedis } from '../support/killable-redis.ts'
import { connect } from '../support/sdk.ts'
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy.ts'
import { until } from '../support/until.ts'

const operator = 'an-operators-token-of-the-test'
const viewer = 'a-viewers-token-of-the-test'

/** On the first page; the others are asked from there. */
const questions = {
  lost: 'Is anything acknowledged lost?',
  realtime: 'Does realtime deliver?',
  durable: 'Does durable deliver?',
  breakers: 'Which breaker, on which node?',
  changed: 'What changed?',
  rates: 'How much, compared with last week?',
} as const

type Words = readonly RegExp[]

describe.skipIf(!findChromium())('the console over two nodes', () => {
  let database: FreshDatabase
  let postgres: TcpProxy
  let redis: KillableRedis
  let cluster: Cluster
  let sql: Sql
  let browser: Browser
  let ann: Watched
  let page: Page
  let stopTraffic: () => void

  beforeAll(async () => {
    bringConsolePage()
    database = await migratedDatabase(inject('postgresUrl'))
    postgres = await tcpProxy(database.url)
    sql = connectPostgres(database.url, { max: 1, applicationName: 'holdfast-test' })
    await sql.unsafe(consoleTables)
    const port = await freePort()
    redis = await killableRedis(port, () => startLocalRedis({ server: inject('redisServer'), port }))
    const starting = startCluster({
      together: true,
      redisUrl: `redis://127.0.0.1:${port}`,
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
        jobs: consoleJobs,
      },
    })
    ;[cluster, browser] = await Promise.all([starting, launchChromium()])
    stopTraffic = await traffic(cluster)
    ann = await watchedPage(browser)
    page = ann.page
    page.setDefaultTimeout(30_000)
    await signIn(page, operator)
  }, 180_000)
  afterAll(async () => {
    stopTraffic?.()
    await browser?.close()
    await cluster?.close()
    await redis?.stop()
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
  const append = (channel: string, data: unknown, type = 'PaymentCaptured') =>
    node().api('append', { channel, type, data })
  /** Presses a button, decides in its dialog, and sees that it was done. */
  const decide = async (path: string, name: string, reason?: string) => {
    await open(path)
    await page.getByRole('button', { name, exact: true }).click()
    const dialog = page.getByRole('dialog', { name, exact: true })
    if (reason !== undefined) await dialog.getByLabel(/^Reason/).fill(reason)
    await dialog.locator('button[type=submit]').click()
    await dialog
      .getByRole('alert')
      .filter({ has: page.getByRole('img', { name: 'good' }) })
      .waitFor()
    await dialog.getByRole('button', { name: 'Close' }).click()
  }
  /** The first again, where an attempt of this test before has left the second. */
  const decideBoth = async (path: string, there: string, back: string, seen: () => Promise<void>) => {
    await open(path)
    const [one, other] = [there, back].map(name => page.getByRole('button', { name, exact: true }))
    if (!one || !other) throw new Error('expected two buttons')
    await one.or(other).waitFor()
    if (await other.isVisible()) await decide(path, back)
    await decide(path, there, 'a test')
    await other.waitFor()
    await seen()
    await decide(path, back)
    await one.waitFor()
  }

  /** Waits for all of these words, those of signs among them; where they do not come, what stands there instead is told. */
  const says = async (place: Locator, words: Words) => {
    for (const each of words)
      await place
        .filter({ hasText: each })
        .waitFor()
        .catch(async () => {
          const there = await place.innerText()
          throw new Error(`expected ${each}, and there is: ${there}`)
        })
  }
  const main = () => page.locator('main')

  /** Each of the eight questions, from the first page, with the clicks that somebody has, is answered so. */
  async function answers(
    event: string,
    wanted: Record<keyof typeof questions | 'lags' | 'top' | 'event', Words>,
  ) {
    await open('now')
    for (const [name, title] of Object.entries(questions) as [keyof typeof questions, string][])
      await says(card(title), wanted[name])
    await card('Which part lags?').getByRole('link', { name: 'Which part lags?' }).click()
    await says(main(), wanted.lags)
    await page.goBack()
    await page.getByRole('button', { name: 'Ask the nodes' }).click()
    await says(main(), [/Counted for/, ...wanted.top])
    await open('now')
    await page.getByLabel('Its id, or its channel and offset').fill(event)
    await page.getByRole('button', { name: 'Look' }).click()
    await says(main(), wanted.event)
  }

  it('shows both nodes and rates that move', async () => {
    await open('now')
    await card('Which nodes are there?').getByRole('listitem').nth(1).waitFor()
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
    await until('both are there, and no more', async () => (await rows.count()) === 2)
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
    const send = async (outcome: RegExp) => {
      await open('send?channel=order:sent')
      await page.getByRole('button', { name: 'Append it' }).click()
      await page.getByRole('alert').getByText(outcome).waitFor()
    }
    await decide('namespaces', 'Make read-only: order', 'a bad deploy')
    await send(/read-only/)
    await decide('namespaces', 'Take it back: order', 'mended')
    await send(/It took/)
    await open('acts?target=order')
    await page.getByRole('cell', { name: 'a bad deploy' }).first().waitFor()
  }, 60_000)

  it('does each act on its nodes as it is pressed, writes it down, and refuses it to viewers', async () => {
    const sent: { url: string; body: string }[] = []
    page.on('request', request => {
      const body = request.postData()
      if (body !== null && !/_preview$|_progress$/.test(request.url()))
        sent.push({ url: request.url(), body })
    })
    const since =
      (await sql<{ id: number }[]>`select coalesce(max(id), 0)::int as id from holdfast.acts`)[0]?.id ?? 0
    const row = (name: RegExp | string) => page.getByRole('row', { name })

    await decide('nodes', 'Hold rejecting: jobs', 'a test')
    const held = row(/passing.*rejecting held by console:ann/)
    await until('both nodes hold it', async () => (await held.count()) === 2)
    await decide('nodes', 'Hold passing: jobs')
    await until(
      'both let it pass',
      async () => (await row(/held by console:ann/).count()) === 2 && (await held.count()) === 0,
    )
    await decide('nodes', 'Release: jobs')
    await until('nobody holds it', async () => (await row(/held by/).count()) === 0)

    await decideBoth('groups', 'Freeze receipts', 'Unfreeze receipts', () =>
      row(/^receipts .*frozen/).waitFor(),
    )
    await decideBoth('projections', 'Pause ticks', 'Resume ticks', async () => {
      await card('ticks').getByText('paused', { exact: true }).first().waitFor()
      await open('groups')
      await row(/^holdfast\.projection-ticks-\d+ .*frozen/)
        .first()
        .waitFor()
      await open('projections')
    })
    const readersSee = async () =>
      Number(
        /build (\d+)/.exec(
          await card('ticks')
            .getByText(/^readers see/)
            .innerText(),
        )?.[1],
      )
    const before = await readersSee()
    await decide('projections', 'Rebuild ticks', 'a test')
    await until('readers see the new build', async () => (await readersSee()) > before)
    const rebuilt = await readersSee()
    await decide('projections', 'Switch back ticks', 'a test')
    await until('readers see the old one', async () => (await readersSee()) < rebuilt)
    await decide('projections', `Drop build ${rebuilt} of ticks`)
    // The button that was pressed is gone: who has no mouse goes on with the page.
    await page.locator('main:focus').waitFor()
    await page.getByRole('progressbar', { name: `Build ${rebuilt} of ticks` }).waitFor({ state: 'detached' })

    await decideBoth('jobs', 'Pause the schedule yearly', 'Resume the schedule yearly', () =>
      row(/^yearly .*paused/).waitFor(),
    )
    await decideBoth('jobs', 'Disable the webhook of partner', 'Enable the webhook of partner', () =>
      row(/^partner .*disabled.* a test/).waitFor(),
    )

    const handle = async (act: 'Redrive' | 'Discard', channel: string) => {
      await open(`parked?channel=${channel}`)
      await page.getByText('1 delivery matches').waitFor()
      await page.getByRole('button', { name: `${act} all 1 …` }).click()
      const dialog = page.getByRole('dialog')
      await dialog.getByLabel(/^Reason/).fill('a test')
      await dialog.getByRole('button', { name: `${act} 1` }).click()
      await dialog.getByText('Done: 1 of 1').waitFor()
      await dialog.getByRole('button', { name: 'Close' }).click()
      await open(`event?channel=${channel}&offset=1`)
    }
    const attempt = `${since}-${Date.now()}`
    const [mail, refund] = [`order:mail-${attempt}`, `order:refund-${attempt}`]
    await append(mail, {}, 'MailWanted')
    await append(refund, {}, 'PaymentRefunded')
    await open(`parked?channel=${mail}`)
    await page.getByRole('cell', { name: 'no such mailbox' }).waitFor()
    await sql`insert into public.mailboxes values (${mail})`
    await handle('Redrive', mail)
    await row(/^rule\/mail .*(done|settled)/).waitFor()
    await handle('Discard', refund)
    await row(/^group\/refunds .*discarded/).waitFor()

    const wanted = [
      ...['hold_rejecting_breaker', 'hold_passing_breaker', 'release_breaker', 'pause_group', 'resume_group'],
      ...['rebuild_projection', 'switch_back_projection', 'drop_projection_build', 'pause_schedule'],
      ...['resume_schedule', 'disable_webhook', 'enable_webhook', 'redrive', 'redrive_parked', 'discard'],
      ...['discard_parked'],
    ]
    // Not what was looked at, which is written down a moment later.
    const acts = async () => sql<{ id: number; act: string }[]>`
      select id::int as id, act from holdfast.acts
      where id > ${since} and actor = 'console:ann' and act = any(${`{${wanted.join(',')}}`}::text[])
      order by id`
    await until('each is written down', async () => {
      const written = new Set((await acts()).map(({ act }) => act))
      return wanted.every(act => written.has(act))
    })
    await open('acts?actor=console:ann')
    await row(/discard_parked .* a test .*done: 1 of 1/)
      .first()
      .getByRole('img', { name: 'good' })
      .waitFor()

    const paths = new Set(sent.map(({ url }) => url.slice(url.lastIndexOf('/') + 1)))
    expect([...paths].sort()).toEqual(['breaker', 'group', 'parked_act', 'projection', 'schedule', 'webhook'])
    const done = (await acts()).length
    for (const { url, body } of sent) {
      const headers = { authorization: `Bearer ${viewer}`, 'content-type': 'application/json' }
      const answer = await fetch(url, { method: 'POST', body, headers })
      expect([answer.status, body, await answer.json()]).toEqual([
        403,
        body,
        { error: { code: 'NOT_PERMITTED', message: expect.stringContaining('viewer'), temporary: false } },
      ])
    }
    expect((await acts()).length).toBe(done)
  }, 120_000)

  /** An event that the mirror has, too, and a group is done with. */
  const told = async () => {
    const channel = `order:story-${Date.now()}`
    await append(channel, { told: channel })
    await open(`event?channel=${channel}&offset=1`)
    await says(main(), [/has passed its position/, /receipts.*(done|settled)/])
    return channel
  }

  it('says that all is well', async () => {
    await open('now')
    await says(card(questions.breakers), [/All pass/])
    // What failed while the nodes were starting is told for a minute: so late in this file it mostly is over.
    const patience = { timeout: 120_000 }
    await card(questions.realtime).getByText('Delivers', { exact: true }).waitFor(patience)
    await card(questions.durable).getByText('Delivers', { exact: true }).waitFor(patience)
    await card(questions.lost).getByText('Nothing is lost').waitFor(patience)
  }, 180_000)

  it('answers all eight questions without Redis', async () => {
    const channel = await told()
    await redis.kill()
    try {
      await answers(`${channel}@1`, {
        lost: [/Nothing is lost/, /0 lost of \S+ checked/],
        realtime: [/Delivers in part|Does not deliver/, /from \S+ to other nodes/],
        durable: [/Delivers/, /Slowest canary \d/],
        breakers: [/bus \w+( or \w+)* on \S+, \S/],
        changed: [/breaker (?!ledger)\w+ on \S+: rejecting/],
        rates: [/[1-9][\d.,]*\/s\s*realtime delivered/, /week before/],
        lags: [/^(?![\s\S]*(Not known|is silent))[\s\S]*receipts/, /event loop/],
        top: [/room:lobby|order:busy/, /Did not answer[^:]*: \S/],
        event: [/recorded in the ledger/, /Mirror in Redis\s*not known/, /receipts[a-z ]*(done|settled)/],
      })
      await says(page.getByRole('banner'), [/other nodes silent/])
    } finally {
      await redis.startAgain()
    }
    await open('now')
    await says(card(questions.breakers), [/All pass/])
  }, 120_000)

  it('answers all eight questions while Postgres is away, and says what it cannot know', async () => {
    const channel = await told()
    postgres.refuse()
    postgres.cut('rst')
    try {
      await answers(`${channel}@1`, {
        lost: [
          /Not known/,
          /Nobody can look while the ledger does not answer/,
          /last complete audit ended \d/,
        ],
        realtime: [/Delivers/, /Slowest canary \d/],
        durable: [/Delivers in part|Does not deliver/, /what \S+ accepts \(/],
        breakers: [/ledger \w+( or \w+)* on \S+, \S/],
        changed: [/breaker ledger on \S+: rejecting/, /the ledger is unreachable, as \S+ sees it/],
        rates: [/[1-9][\d.,]*\/s\s*realtime delivered/, /Nothing is known of the week before/],
        lags: [/From [\s\S]*because Postgres is silent/, /receipts/, /event loop/],
        top: [/room:lobby|order:busy/, /by \S+, \S+, /],
        event: [/Only what/, /recorded in the ledger/, /Groups and rules[a-z ]*Not known\. Source: Postgres/],
      })
      await says(page.getByRole('banner'), [/Postgres silent/])
    } finally {
      await postgres.heal()
    }
    await open('now')
    await says(card(questions.breakers), [/All pass/])
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
