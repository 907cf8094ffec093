import { randomUUID } from 'node:crypto'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { accessibilityFaults } from '../support/accessibility.ts'
import { chromiumFlags, findChromium } from '../support/chromium.ts'
import { type DevProcess, startDev } from '../support/dev-process.ts'
import { type Guest, isPlaying, type Meeting, meetingIn, open, said, say } from '../support/meeting.ts'
import { keepPicture } from '../support/pictures.ts'
import { until } from '../support/until.ts'

const executablePath = findChromium()
if (!executablePath) console.log('holdfast: no Chromium on this machine: the browser tests are skipped')

/** Two cameras are drawn, coded and decoded beside all else on this machine. */
const patience = 60_000

describe.skipIf(!executablePath)('the meeting room of npm start', () => {
  let dev: DevProcess
  let browser: Browser
  let meeting: Meeting
  /** Of each attempt. */
  let alone: Meeting | undefined
  let anna: Guest
  let ben: Guest
  const room = `r${randomUUID().slice(0, 8)}`

  /** A retry finds what was said before. */
  const fresh = (text: string) => `${text} ${randomUUID().slice(0, 6)}`
  const shows = (page: Page, text: string | RegExp) =>
    until(`${text} is shown`, () => page.getByText(text).first().isVisible(), patience)
  const state = ({ page }: Guest) => page.getByLabel('Connection').innerText()
  const isState = (guest: Guest, ...wanted: string[]) =>
    until(`${guest.name} is ${wanted}`, async () => wanted.includes(await state(guest)), patience)

  beforeAll(async () => {
    ;[dev, browser] = await Promise.all([
      // So slowly that they last for the whole test.
      startDev({ HOLDFAST_QUAKES_PER_SECOND: '3' }),
      chromium.launch({
        executablePath: executablePath ?? '',
        args: [
          ...chromiumFlags,
          '--use-fake-device-for-media-stream',
          '--use-fake-ui-for-media-stream',
          // A machine without a network has no other way between two browsers.
          '--allow-loopback-in-peer-connection',
        ],
        chromiumSandbox: false,
      }),
    ])
    meeting = meetingIn(browser, room)
    anna = await meeting.enter('Anna', dev.nodes[0], { script: keepsBanners })
    ben = await meeting.enter('Ben', dev.nodes[1], { script: keepsBanners })
    for (const { page } of [anna, ben]) page.setDefaultTimeout(patience)
  }, 180_000)
  // What an attempt that failed has left behind is not for the next one.
  beforeEach(() => ben?.context.setOffline(false), 60_000)
  afterAll(async () => {
    await Promise.all([meeting?.close(), alone?.close()])
    await browser?.close()
    await dev?.stop()
  }, 60_000)

  it('shows two browsers on two nodes each other’s video', async () => {
    await until('Anna sees Ben', () => isPlaying(anna.page, 'Ben'), patience)
    await until('Ben sees Anna', () => isPlaying(ben.page, 'Anna'), patience)
    expect(await anna.page.getByRole('list', { name: 'In the room' }).innerText()).toMatch(/Anna \(you\)/)
  }, 180_000)

  it('says of an empty chat what becomes of what is said', async () => {
    await shows(anna.page, /Nothing is said yet.*whoever comes later/)
  }, 120_000)

  it('carries cursors and typing to the other node', async () => {
    // A signal may be lost, and one that is not followed by another is soon forgotten.
    const pointer = ben.page.locator('.pointer', { hasText: 'Anna' })
    const place = async () =>
      (await pointer.count()) === 1 ? (await pointer.boundingBox({ timeout: 1_000 }).catch(() => null))?.x : 0
    const before = await until(
      'Ben sees where Anna points',
      async () => {
        await pointAt(anna.page, 0.25 + Math.random() / 100)
        return place()
      },
      patience,
    )
    await until(
      'it moves',
      async () => {
        await pointAt(anna.page, 0.75 + Math.random() / 100)
        return ((await place()) ?? 0) > before + 100
      },
      patience,
    )
    await open(anna.page, 'Chat')
    await open(ben.page, 'Chat')
    await until(
      'Anna sees that Ben types',
      async () => {
        await ben.page.getByRole('textbox', { name: 'Message' }).press('x')
        return anna.page.getByText('Ben is typing').isVisible()
      },
      patience,
    )
    await ben.page.getByRole('textbox', { name: 'Message' }).fill('')
  }, 120_000)

  it('counts somebody’s tabs, and shows the person once', async () => {
    const people = ben.page.getByRole('list', { name: 'In the room' })
    const second = await meeting.enter('Anna', dev.nodes[0], { context: anna.context })
    try {
      await until('Ben sees two tabs', async () => /Anna\s*2 tabs/.test(await people.innerText()), patience)
      expect(await people.getByText('Anna').count()).toBe(1)
    } finally {
      await second.page.close()
    }
    await until('one is left', async () => !/2 tabs/.test(await people.innerText()), patience)
    expect(await people.innerText()).toContain('Anna')
  }, 120_000)

  it('counts what was not read, until it is', async () => {
    const tab = anna.page.getByRole('tab', { name: /Chat/i })
    const readAll = () =>
      until('none is unread', async () => !/unread/i.test(await tab.innerText()), patience)
    await open(anna.page, 'Chat')
    await readAll()
    await open(anna.page, 'Decisions')
    await open(ben.page, 'Chat')
    const words = [fresh('first'), fresh('second')]
    for (const word of words) await say(ben.page, word)
    await until('two are unread', async () => /2\s*unread/i.test(await tab.innerText()), patience)
    await until('the title says so', async () => /^\(2\)/.test(await anna.page.title()), patience)
    await open(anna.page, 'Chat')
    for (const word of words) await shows(anna.page, word)
    await readAll()
  }, 120_000)

  it('decides what two agree to, once', async () => {
    const text = fresh('We ship on Friday')
    await open(anna.page, 'Decisions')
    await open(ben.page, 'Decisions')
    await anna.page.getByRole('textbox', { name: 'Proposal' }).fill(text)
    await anna.page.getByRole('button', { name: 'Propose' }).click()
    const proposalOf = ({ page }: Guest) => page.getByRole('listitem').filter({ hasText: text })
    await proposalOf(ben).getByRole('button', { name: 'Agree' }).click()
    for (const guest of [anna, ben]) {
      await until(
        `${guest.name} sees it decided`,
        async () => /decided[\s\S]*agreed: Anna, Ben/.test(await proposalOf(guest).innerText()),
        patience,
      )
    }
  }, 120_000)

  it('keeps what is written offline, and misses nothing meanwhile', async () => {
    await open(anna.page, 'Chat')
    await open(ben.page, 'Chat')
    await ben.context.setOffline(true)
    await isState(ben, 'connecting')
    const words = [fresh('one'), fresh('two'), fresh('three')]
    for (const word of words) await say(anna.page, word)
    const kept = fresh('written offline')
    await say(ben.page, kept)
    await shows(ben.page, 'not recorded yet')
    await ben.context.setOffline(false)
    await isState(ben, 'live')
    await shows(anna.page, kept)
    for (const word of words) await shows(ben.page, word)
    await until(
      'both have the same',
      async () => {
        const [a, b] = await Promise.all([said(anna.page), said(ben.page)])
        return JSON.stringify(a) === JSON.stringify(b)
      },
      patience,
    )
    const all = await said(ben.page)
    expect(all.filter(text => words.includes(text))).toEqual(words)
    expect(all.filter(text => text === kept)).toHaveLength(1)
  }, 180_000)

  it('goes on without Redis, and says what works', async () => {
    await until(
      'Redis is there',
      () => anna.page.getByRole('button', { name: /Stop Redis/ }).isEnabled(),
      patience,
    )
    for (const guest of [anna, ben]) await isState(guest, 'live')
    await until('Anna sees Ben', () => isPlaying(anna.page, 'Ben'), patience)
    await open(anna.page, 'Chat')
    await open(ben.page, 'Chat')
    // Nobody's picture has come to her, so whoever comes on the other node has to wait.
    alone = meetingIn(browser, fresh('alone').replace(' ', '-'))
    const dora = await alone.enter('Dora', dev.nodes[1], { camera: false, script: keepsBanners })
    await isState(dora, 'live')
    // What an attempt before has shown is not this one's.
    for (const { page } of [anna, ben]) await page.evaluate('banners.length = 0')
    await anna.page.getByRole('button', { name: /Stop Redis/ }).click()
    // Of both at once: Redis is soon back.
    await Promise.all(
      [anna, ben].map(guest =>
        until(
          `${guest.name} is told what works`,
          async () => {
            const [[banner = ''], word] = await Promise.all([
              guest.page.locator('.banner').allInnerTexts(),
              state(guest),
            ])
            return (
              word === 'degraded' &&
              /Redis is away[\s\S]*Video: works\s+Chat and decisions: works\s+Cursors and typing: this node only/.test(
                banner,
              )
            )
          },
          patience,
        ),
      ),
    )
    const word = fresh('said without Redis')
    await say(ben.page, word)
    await shows(anna.page, word)
    await until('Anna still sees Ben', () => isPlaying(anna.page, 'Ben'), patience)
    for (const guest of [anna, ben]) await isState(guest, 'live')
    for (const { name, page } of [anna, ben, dora]) {
      await until(
        `${name} was told that all is back`,
        async () => /All is back\.[\s\S]*have missed nothing/.test((await bannersOf(page)).at(-1) ?? ''),
        patience,
      )
    }
    expect(await bannersOf(dora.page)).toContainEqual(
      expect.stringMatching(/Redis is away[\s\S]*Video: this node only\s+Chat and decisions: works/),
    )
    await dora.page.close()
    expect(dev.output()).toMatch(/Redis is stopped for 10 seconds[\s\S]*Redis is back/)
    await until(
      'cursors are back',
      async () => {
        await pointAt(anna.page, 0.3 + Math.random() / 10)
        return ben.page.locator('.pointer', { hasText: 'Anna' }).isVisible()
      },
      patience,
    )
  }, 240_000)

  it('shows who comes late, without a camera, the chat from its start', async () => {
    await open(anna.page, 'Chat')
    const word = fresh('before Cleo')
    await say(anna.page, word)
    await shows(anna.page, word)
    const name = fresh('Cleo')
    // Her first connection to each of the others finds no way to them, and never will.
    const cleo = await meeting.enter(name, dev.nodes[1], { camera: false, script: leadsNowhere(2) })
    try {
      await shows(cleo.page, word)
      expect(await said(cleo.page)).toEqual(await said(anna.page))
      await until('Anna sees a drawing of Cleo', () => isPlaying(anna.page, name), patience)
      await until('Cleo sees Ben', () => isPlaying(cleo.page, 'Ben'), patience)
      expect(await bannersOf(cleo.page), 'nothing was away').toEqual([])
      await cleo.page.getByRole('button', { name: 'Leave' }).click()
      const people = anna.page.getByRole('list', { name: 'In the room' })
      await until('Cleo has left', async () => !(await people.innerText()).includes(name), patience)
      await until(
        'her picture is gone',
        async () => (await anna.page.getByLabel(`Video of ${name}`).count()) === 0,
        patience,
      )
    } finally {
      await cleo.page.close()
    }
  }, 240_000)

  it('has a table that fills itself', async () => {
    await open(anna.page, 'Earthquakes')
    const count = async () =>
      Number(/(\d+) earthquakes/.exec(await anna.page.locator('.quakes').innerText())?.[1])
    const before = await until('the table is read', async () => (await count()) || undefined, patience)
    await until('there are more', async () => (await count()) > before, patience)
    expect(await anna.page.getByRole('rowheader').count()).toBeGreaterThan(3)
  }, 120_000)

  it('can be used by everyone, in light and dark, wide and narrow', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await anna.page.emulateMedia({ colorScheme })
      for (const width of [1_280, 360]) {
        await anna.page.setViewportSize({ width, height: 800 })
        const others = colorScheme === 'light' ? (['Decisions'] as const) : (['Earthquakes'] as const)
        for (const tab of ['Chat', ...others] as const) {
          await open(anna.page, tab)
          await keepPicture(
            anna.page,
            'demo',
            tab.toLowerCase(),
            colorScheme,
            width > 800 ? 'wide' : 'narrow',
          )
          expect(await accessibilityFaults(anna.page), `${tab} ${colorScheme} ${width}`).toEqual([])
        }
        const wide = await anna.page.evaluate('document.documentElement.scrollWidth')
        expect(wide).toBeLessThanOrEqual(width)
      }
    }
    const page = await anna.context.newPage()
    await page.goto(`${dev.nodes[0]}/demo/`)
    await page.getByRole('button', { name: 'Join' }).waitFor()
    await keepPicture(page, 'demo', 'join')
    expect(await accessibilityFaults(page)).toEqual([])
    await page.close()
  }, 180_000)

  it('gives the browser nothing to complain of', () => {
    expect([...meeting.complaints, ...(alone?.complaints ?? [])]).toEqual([])
  })
})

/** What a page's banner says is kept: it may be gone when somebody looks. */
const keepsBanners = `
  globalThis.banners = []
  new MutationObserver(() => {
    const said = document.querySelector('.banner')?.innerText
    if (said && said !== banners.at(-1)) banners.push(said)
  }).observe(document, { subtree: true, childList: true, characterData: true })
`
const bannersOf = (page: Page) => page.evaluate<string[]>('banners')

/** The first connections of a page look for no way, as where a browser is out of step. */
const leadsNowhere = (count: number) => `
  ${keepsBanners}
  let left = ${count}
  const Connection = RTCPeerConnection
  globalThis.RTCPeerConnection = class extends Connection {
    constructor(options) {
      super(left-- > 0 ? { ...options, iceTransportPolicy: 'relay' } : options)
    }
  }
`

/** At a share of the pictures' width. */
async function pointAt(page: Page, share: number): Promise<void> {
  const box = await page.getByRole('region', { name: 'Pictures' }).boundingBox()
  if (box) await page.mouse.move(box.x + box.width * share, box.y + box.height / 2)
}
