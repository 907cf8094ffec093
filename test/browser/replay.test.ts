import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chromiumFlags, findChromium } from '../support/chromium.ts'
import { type Cluster, everything, type Node, startCluster } from '../support/cluster.ts'
import { fillChannel } from '../support/long-channel.ts'
import type { Outcome, Task } from './replay-page.ts'

const long = 120_000
const short = 3_000
/** What the server gives at most in one reply (`limits.maxHistoryLimit`). */
const pageSize = 300
/** A handler has eight milliseconds before others get their turn; with one that takes one or more, as many events. */
const slice = 8

const executablePath = findChromium()
if (!executablePath) console.log('holdfast: no Chromium on this machine: the browser tests are skipped')

describe.skipIf(!executablePath)('in a browser tab', () => {
  let cluster: Cluster
  let node: Node
  let site: Server
  let profile: string
  let browser: BrowserContext
  let tab: Page

  beforeAll(async () => {
    cluster = await startCluster({
      nodes: 1,
      config: {
        auth: { allowAnonymous: true, allowedOrigins: ['*'] },
        namespaces: { order: { tier: 'durable', allow: { subscribe: everything, history: everything } } },
      },
    })
    node = cluster.nodes[0] as Node
    await fillChannel(cluster.databaseUrl, 'order:long', { count: long })
    await fillChannel(cluster.databaseUrl, 'order:short', { count: short })
    site = await serve(await bundle())
    profile = await mkdtemp(join(tmpdir(), 'holdfast-chromium-'))
    browser = await chromium.launchPersistentContext(profile, {
      executablePath: executablePath ?? '',
      args: chromiumFlags,
      chromiumSandbox: false,
    })
    tab = await browser.newPage()
    await tab.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`)
  }, 180_000)
  afterAll(async () => {
    await browser?.close()
    site?.close()
    await cluster?.close()
    if (profile) await rm(profile, { recursive: true, force: true })
  })

  function run(task: Omit<Task, 'url'>): Promise<Outcome> {
    return tab.evaluate(each => (globalThis as unknown as { run(task: Task): Promise<Outcome> }).run(each), {
      ...task,
      url: node.url,
    })
  }

  it(`replays ${long} events without keeping the tab: between two pages all others have their turn`, async () => {
    const outcome = await run({ channel: 'order:long', way: 'replay', events: long, workMs: 0 })
    tell(outcome)
    expect(outcome.events).toBe(long)
    // A page is asked for when the one before it is begun, so its reply comes in a later task.
    expect(outcome.most).toBeLessThanOrEqual(2 * pageSize)
    expect(outcome.timers).toBeGreaterThan(0)
    expect(outcome.frames).toBeGreaterThan(0)
  }, 180_000)

  for (const way of ['replay', 'subscribe'] as const) {
    it(`takes turns with others where each event takes its time: ${way}`, async () => {
      const outcome = await run({ channel: 'order:short', way, events: short, workMs: 1 })
      tell(outcome)
      expect(outcome.events).toBe(short)
      expect(outcome.most).toBeLessThanOrEqual(2 * (slice + 1))
      // They had at least every eighth millisecond.
      expect(outcome.frames).toBeGreaterThan(0)
      expect(outcome.timers).toBeGreaterThan(0)
    }, 120_000)
  }
})

function tell({ events, most, timers, frames, longestTaskMs, seconds }: Outcome): void {
  console.log(
    `${events} events in ${seconds.toFixed(1)} s: at most ${most} in a row; ${timers} timers and ${frames} frames meanwhile; ` +
      `longest task ${longestTaskMs ? `${Math.round(longestTaskMs)} ms` : 'under 50 ms'}`,
  )
}

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('replay-page.ts', import.meta.url))],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
  })
  return outputFiles[0]?.text ?? ''
}

async function serve(script: string): Promise<Server> {
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js'
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' })
    response.end(
      isScript ? script : '<!doctype html><title>replay</title><script type="module" src="page.js"></script>',
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return server
}
