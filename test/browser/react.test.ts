import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { defineReducer } from '../../src/app/index.ts'
import type { Client } from '../../src/client/index.ts'
import { startHoldfast, type TestHoldfast } from '../../src/testing/index.ts'
import { chromiumFlags, findChromium } from '../support/chromium.ts'
import { until } from '../support/until.ts'
import type { Shown, Task } from './react-page.ts'

const executablePath = findChromium()
if (!executablePath) console.log('holdfast: no Chromium on this machine: the browser tests are skipped')

interface InPage {
  show(task: Task): void
  shown(): Shown
  act(what: string): Promise<void>
}

describe.skipIf(!executablePath)('React’s hooks in StrictMode', () => {
  let t: TestHoldfast
  let site: Server
  let profile: string
  let browser: BrowserContext
  let tab: Page
  let ben: Client
  const troubles: string[] = []
  const order = `order:${randomUUID()}`
  const room = `room:${randomUUID()}`
  const totals = 'live:totals'

  beforeAll(async () => {
    const all: ('client' | 'anonymous')[] = ['client']
    t = await startHoldfast({
      postgres: inject('postgresUrl'),
      nodes: 2,
      config: {
        auth: { allowedOrigins: ['*'] },
        namespaces: {
          order: { tier: 'durable', allow: { subscribe: all, append: all, history: all } },
          room: {
            tier: 'realtime',
            presence: true,
            joinLeave: true,
            allow: { subscribe: all, publish: all, presence: all },
          },
          live: { tier: 'realtime', allow: { subscribe: all } },
        },
      },
      setup: hf =>
        hf.projection(
          defineReducer({
            name: 'totals',
            version: 1,
            channels: 'order:{id}',
            key: ({ params }) => params.id,
            initial: () => 0,
            evolve: (cents, { data }) => cents + (data as { cents: number }).cents,
            changes: totals,
          }),
        ),
    })
    for (let n = 0; n < 3; n++) await t.hf.append(order, n === 1 ? 'Paid' : 'Placed', { cents: 10 })
    ben = await (await t.mintUser('ben')).connect({ node: 1 })
    site = await serve(await bundle(), t)
    profile = await mkdtemp(join(tmpdir(), 'holdfast-chromium-'))
    browser = await chromium.launchPersistentContext(profile, {
      executablePath: executablePath ?? '',
      args: chromiumFlags,
      chromiumSandbox: false,
    })
    tab = await open()
    const { token } = await t.mintUser('anna')
    await tab.evaluate(task => (globalThis as unknown as InPage).show(task), {
      urls: t.urls,
      token,
      order,
      room,
      totals,
    } satisfies Task)
  }, 180_000)
  afterAll(async () => {
    await browser?.close()
    site?.close()
    await t?.close()
    if (profile) await rm(profile, { recursive: true, force: true })
  })

  async function open(): Promise<Page> {
    const page = await browser.newPage()
    page.on('pageerror', error => troubles.push(String(error)))
    page.on('console', message => {
      if (message.type() === 'error') troubles.push(message.text())
    })
    await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`)
    return page
  }

  const shown = () => tab.evaluate(() => (globalThis as unknown as InPage).shown())
  const act = (what: string) => tab.evaluate(each => (globalThis as unknown as InPage).act(each), what)
  const shows = async (what: string, condition: (page: Shown) => boolean): Promise<Shown> => {
    let last: Shown | undefined
    await until(
      what,
      async () => {
        last = await shown()
        return condition(last)
      },
      30_000,
    ).catch(error => {
      throw new Error(`${String(error)}; it shows ${JSON.stringify(last)}`)
    })
    return last as Shown
  }

  it('show a channel’s past and present, who is there and a table, over one subscription for each channel', async () => {
    const first = await shows(
      'all is there',
      ({ offsets, rows, users }) => offsets.length === 3 && rows.length === 1 && users.length === 1,
    )
    expect(first).toMatchObject({ offsets: [1, 2, 3], paid: [2], users: ['anna'], tabs: [1], rows: ['30'] })
    expect([...first.subscriptions].sort()).toEqual([totals, order, room].sort())
    // Mounted twice, in two components and with three hooks: one each, and nothing was let go of.
    expect(first.sent).toMatchObject({ connect: 1, subscribe: 3 })
    expect(first.sent['unsubscribe']).toBeUndefined()

    const others = ben.channel(room).presence.watch(() => undefined)
    await others.ready()
    expect(others.users.map(({ user }) => user)).toContain('anna')
    await ben.channel(room).signal('moved', { x: 7 })
    await act('append')
    const next = await shows(
      'all has come',
      ({ moved, offsets, rows, users }) =>
        moved.length === 1 && offsets.length === 4 && rows[0] === '31' && users.length === 2,
    )
    expect(next).toMatchObject({ moved: [7], offsets: [1, 2, 3, 4], paid: [2, 4], users: ['anna', 'ben'] })
    others.stop()
    await shows('ben has left', ({ users }) => users.length === 1)
  }, 90_000)

  it('draw what comes in one task once, and hold the newest', async () => {
    const { drawn } = await shown()
    for (let n = 0; n < 40; n++) await t.hf.append(order, 'Paid', { cents: 1 })
    const later = await shows(
      'all has come',
      ({ offsets, rows }) => offsets.length === 44 && rows[0] === '71',
    )
    expect(later.paid).toEqual([43, 44])
    expect(later.offsets).toEqual(Array.from({ length: 44 }, (_, i) => i + 1))
    // Once for each event and change at most, and twice as often as a development build draws.
    expect(later.drawn - drawn).toBeLessThanOrEqual(2 * 3 * 40)
  }, 90_000)

  it('leave nothing behind when they are gone, and begin anew', async () => {
    await act('hide')
    await shows('nothing is subscribed to', ({ subscriptions }) => subscriptions.length === 0)
    await t.hf.append(order, 'Paid', { cents: 1 })
    await act('unhide')
    const again = await shows(
      'all is there',
      ({ offsets, rows }) => offsets.length === 45 && rows[0] === '72',
    )
    expect(again.subscriptions).toHaveLength(3)
    expect(again.progress).toBe('live')
  }, 90_000)

  it('come right after a lost connection and a Redis that was away, and say so meanwhile', async () => {
    await act('cut')
    await t.hf.append(order, 'Placed', { cents: 1 })
    await shows(
      'nothing is missed',
      ({ offsets, rows, state }) => offsets.length === 46 && rows[0] === '73' && state === 'live',
    )
    await t.stopRedis()
    await shows('it is degraded', ({ state, realtime }) => state === 'degraded' && realtime === 'local')
    await act('append')
    await shows('events come all the same', ({ offsets }) => offsets.length === 47)
    await t.startRedis()
    await shows('it is live', ({ state, users }) => state === 'live' && users.length === 1)
    const { offsets } = await shown()
    expect(offsets).toEqual(Array.from({ length: 47 }, (_, i) => i + 1))
    expect(troubles.filter(each => !/WebSocket|ERR_/.test(each))).toEqual([])
  }, 90_000)
})

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('react-page.ts', import.meta.url))],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    define: { 'process.env.NODE_ENV': '"development"' },
    write: false,
  })
  return outputFiles[0]?.text ?? ''
}

/** The application's own server: the page, and read models through a route that adds the API key. */
async function serve(script: string, t: TestHoldfast): Promise<Server> {
  const server = createServer(async (request, response) => {
    if (request.url?.startsWith('/api/projections/')) {
      const answer = await fetch(`${t.nodes[0]?.http}${request.url}`, { headers: { 'x-api-key': t.apiKey } })
      response.writeHead(answer.status, { 'content-type': 'application/json' })
      response.end(await answer.text())
      return
    }
    const isScript = request.url === '/page.js'
    response.writeHead(request.url === '/favicon.ico' ? 204 : 200, {
      'content-type': isScript ? 'text/javascript' : 'text/html',
    })
    response.end(
      isScript ? script : '<!doctype html><title>hooks</title><script type="module" src="page.js"></script>',
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return server
}
