import type { Browser, BrowserContext, ConsoleMessage, Page } from 'playwright-core'

/** Somebody in the meeting room, in a browser of their own. */
export interface Guest {
  readonly name: string
  readonly context: BrowserContext
  readonly page: Page
}

export interface Meeting {
  /** Enters the room over a node; with `context` on a further tab of somebody who is there. */
  enter(
    name: string,
    node: string,
    options?: {
      readonly context?: BrowserContext
      readonly camera?: boolean
      /** Runs in the page before all else. */
      readonly script?: string
    },
  ): Promise<Guest>
  /** What consoles and pages have complained of. */
  readonly complaints: readonly string[]
  close(): Promise<void>
}

/** A socket that cannot be opened is told by the browser itself, whatever a page does about it. */
const ofTheBrowser = /WebSocket connection to .* failed|net::ERR_(INTERNET_DISCONNECTED|NETWORK_CHANGED)/

export function meetingIn(browser: Browser, room: string): Meeting {
  const contexts = new Set<BrowserContext>()
  const complaints: string[] = []
  return {
    complaints,
    async enter(name, node, { context: given, camera = true, script } = {}) {
      const context = given ?? (await browser.newContext({ viewport: { width: 1280, height: 800 } }))
      contexts.add(context)
      const page = await context.newPage()
      if (script) await page.addInitScript(script)
      page.on('console', (message: ConsoleMessage) => {
        const wrong = message.type() === 'error' || message.type() === 'warning'
        if (wrong && !ofTheBrowser.test(message.text())) complaints.push(`${name}: ${message.text()}`)
      })
      page.on('pageerror', error => complaints.push(`${name}: ${error.message}`))
      await page.goto(`${node}/demo/#/${room}`)
      await page.getByLabel('Your name').fill(name)
      await page.getByRole('checkbox').setChecked(camera)
      await page.getByRole('button', { name: 'Join' }).click()
      return { name, context, page }
    },
    async close() {
      await Promise.all([...contexts].map(context => context.close()))
    },
  }
}

interface Video {
  readonly videoWidth: number
  readonly currentTime: number
}

/** Whether somebody's picture moves in a page: it has a size, and its time goes on. */
export async function isPlaying(page: Page, whose: string): Promise<boolean> {
  const video = page.getByLabel(`Video of ${whose}`, { exact: true })
  if ((await video.count()) !== 1) return false
  const look = () => video.evaluate((each: Video) => [each.videoWidth, each.currentTime] as const)
  const [, before] = await look()
  await page.waitForTimeout(250)
  const [width, after] = await look()
  return width > 0 && after > before
}

export async function open(page: Page, tab: 'Chat' | 'Decisions' | 'Earthquakes'): Promise<void> {
  await page.getByRole('tab', { name: tab }).click()
}

/** In the chat that is open. */
export async function say(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Message' }).fill(text)
  await page.getByRole('button', { name: 'Send' }).click()
}

/** What stands in the chat that is open and is recorded, in its order. */
export async function said(page: Page): Promise<string[]> {
  return page.locator('.messages li:not(.waiting) > p:last-child').allInnerTexts()
}
