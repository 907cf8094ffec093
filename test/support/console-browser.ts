import { spawnSync } from 'node:child_process'
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

/** How far the page is wider than the window: sideways scrolling of everything. */
export function overhang(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
}
