import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The path of the first of these programs that is on the PATH, or where Debian puts what it installs. */
export function findProgram(...names: readonly string[]): string | undefined {
  for (const directory of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin']) {
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
