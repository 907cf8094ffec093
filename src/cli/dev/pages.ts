import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { packageFolder } from './state-folder.ts'

const builder = join(packageFolder, 'scripts/pages.mjs')

/**
 * Builds the web pages of a checkout where their sources are not those they were built from; an installed package brings
 * them along. Where that fails everything else starts all the same.
 */
export async function bringPages(tell: (line: string) => void): Promise<void> {
  if (!existsSync(builder)) return
  const said: string[] = []
  const child = spawn(process.execPath, [builder, '--if-changed'], {
    cwd: packageFolder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  }
  const [code] = (await once(child, 'close').catch(error => [error.message])) as [unknown]
  if (code === 0) return
  tell(`the pages could not be built, and are as they were before (${code}):\n${said.join('').trim()}`)
}
