import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { chromiumFlags, findChromium } from './chromium.ts'

export const widths = { wide: { width: 1_280, height: 900 }, narrow: { width: 360, height: 780 } } as const

/** The page as it is now: a test alone does not build it, and would look at another one. */
export function bringConsolePage(): void {
  const builder = fileURLToPath(new URL('../../scripts/pages.mjs', import.meta.url))
  const { status, stderr, stdout } = spawnSync(process.execPath, [builder, '--if-changed'], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`the pages could not be built:\n${stdout}${stderr}`)
}

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium() ?? '',
    args: chromiumFlags,
    chromiumSandbox: false,
  })
}

export interface Watched {
  readonly page: Page
  readonly context: BrowserContext
  /** What the browser complained about; a page in order gives it no reason. */
  readonly complaints: string[]
}

/**
 * A page of its own, whose complaints are kept. A question that a test lets fail on purpose is written to the browser's
 * console by the browser itself, which no page can prevent.
 */
export async function watchedPage(
  browser: Browser,
  options: { scheme?: 'light' | 'dark'; width?: keyof typeof widths } = {},
): Promise<Watched> {
  const context = await browser.newContext({
    colorScheme: options.scheme ?? 'light',
    viewport: widths[options.width ?? 'wide'],
    reducedMotion: 'reduce',
  })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', error => complaints.push(error.message))
  page.on('console', message => {
    if (!['error', 'warning'].includes(message.type())) return
    if (/Failed to load resource|WebSocket connection to/.test(message.text())) return
    complaints.push(message.text())
  })
  return { page, context, complaints }
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface AxeResults {
  readonly violations: readonly {
    readonly id: string
    readonly impact: string | null
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[]
  }[]
}

/** Faults that keep somebody from using the page, each with where it is. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  const present = await page.evaluate(() => 'axe' in globalThis)
  // Evaluated rather than added as an element, which the page's own policy would refuse.
  if (!present) await page.evaluate(axe)
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  )
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary ?? ''}`),
    )
}

/** How far the page is wider than the window: sideways scrolling of everything. */
export function overhang(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
}
