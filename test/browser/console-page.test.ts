import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { bytes, count, percent, rate, seconds } from '../../console/parts/format.ts'
import { eventWish, parseRoute, routeTo } from '../../console/state/address.ts'
import type { NodeView, Overview } from '../../src/console/wire.ts'
import { accessibilityFaults } from '../support/accessibility.ts'
import { findChromium } from '../support/chromium.ts'
import {
  bringConsolePage,
  launchChromium,
  overhang,
  type Watched,
  watchedPage,
} from '../support/console-browser.ts'
import { keepPicture } from '../support/pictures.ts'
import { type ScriptedConsole, startScriptedConsole } from '../support/scripted-console.ts'
import { until } from '../support/until.ts'

const paths = [
  ...['now', 'delivery', 'changes', 'nodes', 'rates', 'lags', 'top?ask=now'],
  ...['event?channel=order:1&offset=3', 'tail', 'parked', 'projections', 'groups', 'jobs', 'namespaces'],
  ...['send', 'acts'],
]

describe.skipIf(!findChromium())('the console page', () => {
  let browser: Browser
  let server: ScriptedConsole
  let watched: Watched
  let page: Page

  beforeAll(async () => {
    bringConsolePage()
    browser = await launchChromium()
  }, 120_000)
  afterAll(() => browser?.close())
  beforeEach(async () => {
    server = await startScriptedConsole()
    watched = await watchedPage(browser)
    page = watched.page
    page.setDefaultTimeout(20_000)
  })
  afterEach(async () => {
    await watched.context.close()
    await server.close()
    expect(watched.complaints).toEqual([])
  })

  const open = (path = 'now') => page.goto(`${server.url}#/${path}`)
  const card = (title: string) => page.getByRole('region', { name: title })
  const button = (name: string | RegExp) => page.getByRole('button', { name })
  const sees = (text: string | RegExp) => page.getByText(text).first().waitFor()
  const change = (overview: Partial<Overview>) => {
    server.reads.overview = { ...server.reads.overview, ...overview }
  }
  const eachNode = (each: (node: NodeView) => NodeView) =>
    change({ nodes: server.reads.overview.nodes.map(each) })

  it('answers the first four questions at once, and every other one within two clicks', async () => {
    await open()
    await card('Is anything acknowledged lost?').getByText('Nothing is lost').waitFor()
    await card('Does realtime deliver?').getByText('Delivers', { exact: true }).waitFor()
    await card('Does durable deliver?').getByText('Delivers', { exact: true }).waitFor()
    await card('Which breaker, on which node?').getByText('All pass').waitFor()
    await card('What changed?').getByText('The breaker of bus passes again').waitFor()
    await card('How much, compared with last week?').getByText('12,825/s').waitFor()
    await card('How much, compared with last week?').getByText(/3008/).waitFor()
    await card('Which part lags?').getByText('1,204 events, 31 s').waitFor()
    await button('Ask the nodes').click()
    await page.getByRole('link', { name: 'room:lobby' }).waitFor()
    await page.goBack()
    await page.getByLabel('Its id, or its channel and offset').fill('order:1@3')
    await button('Look').click()
    await sees('recorded in the ledger')
    expect(page.url()).toContain('#/event?channel=order%3A1&offset=3')
  })

  it('says the worst first, in the line on top and in the title of the tab', async () => {
    const { lost, sources } = server.reads.overview
    change({
      lost: { ...lost, verdict: 'bad', says: 'One acknowledged event is missing.', lost: 1 },
      sources: sources.map(source =>
        source.name === 'postgres'
          ? {
              ...source,
              state: 'silent',
              answeredAt: Date.now() - 12_000,
              problem: 'no answer within 1000 ms',
            }
          : source,
      ),
    })
    eachNode(node => ({
      ...node,
      sheet: {
        ...node.sheet,
        breakers: node.sheet.breakers.map(each =>
          each.role === 'bus' ? { ...each, state: 'rejecting', reason: 'connect ECONNREFUSED' } : each,
        ),
      },
    }))
    await open()
    const banner = page.getByRole('banner')
    await banner.getByText('3 things to look at. First: One acknowledged event is missing.').waitFor()
    await banner.getByText(/Postgres silent, last 1\d s ago/).waitFor()
    await card('Which breaker, on which node?').getByText('rejecting on node-a, node-b').waitFor()
    expect(await page.title()).toBe('✕ Right now – Holdfast console')
    await page.getByRole('link', { name: 'The breaker of bus does not pass on node-a, node-b' }).click()
    await sees(/connect ECONNREFUSED/)
    const other = page.getByRole('link', { name: 'node-b' }).first()
    expect(await other.getAttribute('href')).toBe('https://node-b.example/console/#/now')
    expect(await page.getByRole('link', { name: 'node-a' }).count()).toBe(0)
  })

  it('goes on showing what was known, how old it is and why, when the node answers no more', async () => {
    await open()
    await sees('Nothing is lost')
    server.failing.set('overview', { status: 503, message: 'the node drains' })
    await page
      .getByRole('banner')
      .getByText(/No answer, what is shown is old: the node drains/)
      .waitFor()
    await sees(/What is shown is from .* ago/)
    await card('Is anything acknowledged lost?').getByText('Nothing is lost').waitFor()
    server.failing.clear()
    await page.getByRole('banner').getByText('Nothing is lost, both tiers deliver').waitFor()
  })

  it('never waits for ever: what hangs is said to be silent', async () => {
    server.failing.set('lags', 'hang')
    await open('lags')
    await sees('Asking …')
    await sees(/No answer: this node did not answer within 4 seconds/)
  })

  it('tells what is not known from what is nothing', async () => {
    server.reads.groups = {
      ...server.reads.groups,
      groups: { value: null, source: 'postgres', at: null, problem: 'Postgres is away' },
    }
    server.reads.projections = {
      ...server.reads.projections,
      projections: {
        ...server.reads.projections.projections,
        at: Date.now() - 90_000,
        problem: 'Postgres is away',
      },
    }
    await open('groups')
    await sees('Not known: Postgres is away. Source: Postgres.')
    await open('projections')
    await sees(/From 1 min ago.* because Postgres is silent: Postgres is away/)
    await sees('Build 7')
  })

  it('asks for a token, keeps it as long as the tab, and forgets it when it is refused', async () => {
    server.tokens.set('right-token-right-token', 'operator')
    await open()
    await page.getByLabel('Console token').fill('wrong-token')
    await button('Sign in').click()
    await page
      .getByRole('alert')
      .getByText(/not known/)
      .waitFor()
    await page.getByLabel('Console token').fill('right-token-right-token')
    await button('Sign in').click()
    await sees('Nothing is lost')
    await page.reload()
    await sees('Nothing is lost')
    expect(await page.evaluate('JSON.stringify(localStorage)')).not.toContain('right-token')
    server.tokens.clear()
    server.tokens.set('another-token', 'viewer')
    await page.getByLabel('Console token').waitFor()
    expect(await page.evaluate('JSON.stringify(sessionStorage)')).not.toContain('right-token')
    server.tokens.set('right-token-right-token', 'operator')
    await page.getByLabel('Console token').fill('right-token-right-token')
    await button('Sign in').click()
    await button('Sign out').click()
    await page.getByLabel('Console token').waitFor()
  })

  it('lets viewers see everything, and says why they cannot act', async () => {
    server.tokens.set('a-viewers-token-0000', 'viewer')
    await open('groups')
    await page.getByLabel('Console token').fill('a-viewers-token-0000')
    await button('Sign in').click()
    const freeze = button('Freeze receipts')
    await freeze.waitFor()
    await sees('You are signed in as a viewer.')
    expect(await freeze.getAttribute('aria-disabled')).toBe('true')
    await freeze.focus()
    await page.keyboard.press('Enter')
    await freeze.click({ force: true })
    expect(await page.getByRole('dialog').count()).toBe(0)
    for (const [path, name] of [
      ['nodes', 'Hold rejecting: bus'],
      ['projections', 'Rebuild quakes_by_region'],
      ['parked', 'Redrive all 6 …'],
      ['send', 'Send it'],
    ] as const) {
      await open(path)
      await button(name).waitFor()
      expect(await button(name).getAttribute('aria-disabled')).toBe('true')
    }
    await page.getByLabel('Channel', { exact: true }).fill('room:a')
    await page.keyboard.press('Enter')
    expect(server.acts).toEqual([])
  })

  it('acts for operators after a question, with the reason, and tells what came of it', async () => {
    await open('namespaces')
    await button('Make read-only: chat').click()
    const dialog = page.getByRole('dialog', { name: 'Make read-only: chat' })
    await dialog.getByRole('button', { name: 'Make read-only' }).click()
    expect(server.acts).toEqual([])
    await dialog.getByLabel('Reason').fill('a bad deploy')
    await dialog.getByRole('button', { name: 'Make read-only' }).click()
    await dialog.getByText('done: namespace').waitFor()
    expect(server.acts).toEqual([
      { name: 'namespace', body: { namespace: 'chat', readOnly: true, reason: 'a bad deploy' } },
    ])
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toBe(
      'Make read-only: chat',
    )
  })

  it('sends a message once, however often it is pressed until there is an answer, and then once more', async () => {
    let answer = () => {}
    const patience = new Promise<void>(resolve => {
      answer = resolve
    })
    let asked = 0
    await page.route('**/api/message', async route => {
      asked++
      await patience
      await route.continue()
    })
    await open('send')
    await page.getByLabel('Channel', { exact: true }).fill('room:a')
    for (let n = 0; n < 3; n++) await page.keyboard.press('Enter')
    await button('Sending …').click()
    answer()
    await sees('done: message')
    expect(asked).toBe(1)
    await page.keyboard.press('Enter')
    await until('it is sent again', () => asked === 2)
  })

  it('asks and does what was pressed, although somebody else has done it meanwhile', async () => {
    await open('groups')
    await button('Freeze receipts').click()
    const dialog = page.getByRole('dialog', { name: 'Freeze receipts', exact: true })
    await dialog.getByLabel('Reason').fill('the bank is down')
    const { groups } = server.reads.groups
    server.reads.groups = {
      ...server.reads.groups,
      groups: { ...groups, value: groups.value?.map(group => ({ ...group, paused: true })) ?? null },
    }
    await page.locator('tr', { hasText: 'receipts' }).getByText('frozen').waitFor()
    await dialog.getByRole('button', { name: 'Freeze', exact: true }).click()
    await dialog.getByText('done: group').waitFor()
    const body = { group: 'receipts', act: 'pause', reason: 'the bank is down' }
    expect(server.acts).toEqual([{ name: 'group', body }])
  })

  it('redrives parked deliveries in two steps, and shows how far it is', async () => {
    await open('parked?consumer=group/receipts')
    await button('Redrive all 6 …').click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('6 deliveries', { exact: true }).waitFor()
    await dialog.getByRole('button', { name: 'Redrive 6' }).click()
    await dialog.getByText('Done: 6 of 6 are handled again').waitFor()
    expect(server.acts.filter(({ name }) => name !== 'parked_progress')).toEqual([
      {
        name: 'parked_preview',
        body: { act: 'redrive', selection: { filter: { consumer: 'group/receipts' } } },
      },
      { name: 'parked_act', body: { preview: 'p1', count: 6 } },
    ])
    await dialog.getByRole('button', { name: 'Close' }).click()
    await page.getByLabel('Choose 11').check()
    await button('Discard the 1 chosen …').click()
    await until('the one is asked about', () =>
      server.acts.some(({ body }) => JSON.stringify(body).includes('"ids":[11]')),
    )
  })

  it('can be used without a mouse', async () => {
    await open()
    await sees('Nothing is lost')
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.tagName')).toBe('MAIN')
    await page.keyboard.press('g')
    await page.keyboard.press('p')
    await page.getByRole('heading', { name: 'Parked deliveries' }).waitFor()
    await page.keyboard.press('/')
    expect(await page.evaluate('document.activeElement.name')).toBe('consumer')
    // What is typed is no command.
    await page.keyboard.type('gl')
    expect(await page.inputValue('input[name=consumer]')).toBe('gl')
    await page.keyboard.press('Enter')
    await until('it is filtered by', () => page.url().includes('consumer=gl'))
    expect(await page.evaluate('document.activeElement.tagName')).toBe('MAIN')
    await page.keyboard.press('g')
    await page.keyboard.press('s')
    await page.getByRole('heading', { name: 'Send a test message' }).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('room:a')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await sees('done: message')
    await page.evaluate('document.activeElement.blur()')
    await page.keyboard.press('g')
    await page.keyboard.press('n')
    await button('Make read-only: chat').focus()
    await page.keyboard.press('Enter')
    await page.keyboard.type('a bad deploy')
    await page.keyboard.press('Enter')
    await sees('done: namespace')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Close')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.keyboard.press('g')
    await page.keyboard.press('p')
    await page.getByRole('heading', { name: 'Parked deliveries' }).waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keys' }).getByRole('checkbox').uncheck()
    await page.keyboard.press('Escape')
    await page.evaluate('document.activeElement.blur()')
    await page.keyboard.press('g')
    await page.keyboard.press('l')
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keys' }).waitFor()
    expect(page.url()).toContain('#/parked')
  })

  it('follows the system’s colours until somebody chooses, and keeps the choice', async () => {
    const shown = () => page.evaluate('document.documentElement.dataset.theme')
    await open()
    await sees('Nothing is lost')
    expect(await shown()).toBe('light')
    await page.emulateMedia({ colorScheme: 'dark' })
    await until('it is dark', async () => (await shown()) === 'dark')
    await page.keyboard.press('t')
    await until('it is light', async () => (await shown()) === 'light')
    await page.reload()
    await until('it is light', async () => (await shown()) === 'light')
  })

  it('does not move what somebody is about to press', async () => {
    await page.addInitScript(`
      globalThis.moved = 0
      new PerformanceObserver(list => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) globalThis.moved += entry.value
      }).observe({ type: 'layout-shift', buffered: true })`)
    await open('nodes')
    await button('Hold rejecting: bus').waitFor()
    const before = await page.evaluate('globalThis.moved')
    let polls = 0
    page.on('response', response => {
      if (response.url().endsWith('/overview')) polls++
    })
    await until('it has been asked again', () => polls >= 2)
    // The width of an age that is told anew is all that may change.
    expect(Number(await page.evaluate('globalThis.moved')) - Number(before)).toBeLessThan(0.005)
  })

  /** Colours follow the theme and places the width: every page with both themes and widths, not with each pair of them. */
  const looks = [
    { scheme: 'light', width: 'wide', shown: paths },
    { scheme: 'dark', width: 'narrow', shown: paths },
    { scheme: 'light', width: 'narrow', shown: ['now'] },
    { scheme: 'dark', width: 'wide', shown: ['now'] },
  ] as const
  it.each(looks)(
    'has no serious fault of accessibility, $scheme and $width, and never scrolls sideways',
    async look => {
      const other = await watchedPage(browser, look)
      const faults: string[] = []
      for (const path of look.shown) {
        await other.page.goto(`${server.url}#/${path}`)
        await other.page.locator('main h1').waitFor()
        await other.page.locator('main .waiting').first().waitFor({ state: 'detached' })
        for (const fault of await accessibilityFaults(other.page)) faults.push(`${path}: ${fault}`)
        await keepPicture(other.page, 'console', path, look.scheme, look.width)
        const over = await overhang(other.page)
        if (over > 0) faults.push(`${path} is ${over} px wider than the window`)
      }
      await other.context.close()
      expect(faults).toEqual([])
      expect(other.complaints).toEqual([])
    },
    120_000,
  )
})

describe('what the page writes', () => {
  it.each([
    [count(99_999), '99,999'],
    [count(1_234_567), '1.23M'],
    [count(null), '–'],
    [rate(0.01), '<0.1/s'],
    [rate(0.26), '0.3/s'],
    [percent(0.99997), '99.997 %'],
    [percent(1), '100 %'],
    [bytes(1_536), '1.5 KiB'],
    [seconds(0.0123), '12 ms'],
    [seconds(119), '119 s'],
    [seconds(121), '2 min 1 s'],
    [seconds(9_000), '2 h 30 min'],
    [seconds(undefined), '–'],
  ])('%s', (written, expected) => {
    expect(written).toBe(expected)
  })

  it('finds an event by what people paste', () => {
    expect(eventWish(' order:7 3 ')).toEqual({ channel: 'order:7', offset: '3' })
    expect(eventWish('chat:a@b@12')).toEqual({ channel: 'chat:a@b', offset: '12' })
    expect(eventWish('018F2E66-1c8a-7d1e-9e6d-0c4fb1a4e6a7')).toHaveProperty('id')
    expect(eventWish('order:7')).toBeUndefined()
  })

  it('has an address for every place', () => {
    const address = routeTo('tail', { channel: 'a:b&c=d', from: 5, none: undefined })
    expect(parseRoute(address).query.get('channel')).toBe('a:b&c=d')
    expect(parseRoute('')).toMatchObject({ page: 'now' })
  })
})
