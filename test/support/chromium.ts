import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { aptInstall, whyNoInstall } from '../../src/cli/services/apt.ts'

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']

/** The path of a Chromium on this machine. */
export function findChromium(path = process.env['PATH'] ?? ''): string | undefined {
  for (const directory of [...path.split(delimiter), '/usr/bin']) {
    for (const name of names) {
      try {
        accessSync(join(directory, name), constants.X_OK)
        return join(directory, name)
      } catch {
        // Not here.
      }
    }
  }
  return undefined
}

/** Installs Chromium where that is possible without asking. Says what it does before it does it, or why it does not. */
export function bringChromium(tell: (line: string) => void): void {
  if (findChromium()) return
  const reason = whyNoInstall()
  if (reason) {
    tell(`no Chromium on the PATH, and none is installed because ${reason}: the browser tests are skipped`)
    return
  }
  tell('no Chromium: installing it with "apt-get install chromium" (HOLDFAST_NO_INSTALL=1 prevents this)')
  const said = aptInstall('chromium')
  if (!findChromium()) tell(`that did not bring a Chromium (${said}): the browser tests are skipped`)
}

/**
 * Headless, without a sandbox, which root cannot have, and without everything that would call out. What shows the page
 * and what throttles one that nobody looks at is left as users have it.
 */
export const chromiumFlags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
]
