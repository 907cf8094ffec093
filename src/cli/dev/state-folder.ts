import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The package's folder: a checkout, or an installed package. */
export const packageFolder = fileURLToPath(new URL('../../../', import.meta.url))

/**
 * Where `holdfast dev` keeps its data: `.holdfast` in the checkout, or in the current folder of an installed package, unless
 * another one is named.
 */
export function stateFolder(named?: string): string {
  const checkout = existsSync(join(packageFolder, 'src/cli/main.ts'))
  const folder =
    named === undefined ? join(checkout ? packageFolder : process.cwd(), '.holdfast') : resolve(named)
  mkdirSync(folder, { recursive: true })
  // Postgres may run as another user, who must get through, whatever the umask is.
  chmodSync(folder, 0o755)
  return folder
}
