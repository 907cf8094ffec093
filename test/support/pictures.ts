import { join } from 'node:path'
import type { Page } from 'playwright-core'

/**
 * The page as it looks now, for people: where `HOLDFAST_TEST_PICTURES` names a folder, it is put there. What no test can say
 * of a page, such as whether it is beautiful, somebody has to look at.
 */
export async function keepPicture(page: Page, ...name: readonly string[]): Promise<void> {
  const folder = process.env['HOLDFAST_TEST_PICTURES']
  if (!folder) return
  const file = name.join('-').replace(/[^\w-]+/g, '-')
  await page.screenshot({ path: join(folder, `${file}.png`), fullPage: true })
}
