// What a page was built from, by content: times of files say nothing after a checkout of another commit.
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { inRoot, root } from '../bootstrap/paths.mjs'
import { outOf } from './names.mjs'

const shared = [
  'src/client/**/*.{ts,tsx}',
  'src/contract/types.ts',
  'scripts/pages/*.mjs',
  'package-lock.json',
]
const test = /\.test\.tsx?$/

/** A digest of all that a page's build reads. */
export function stampOf(name) {
  const hash = createHash('sha256')
  const paths = [`${name}/**/*.*`, ...shared].flatMap(pattern => globSync(pattern, { cwd: root }))
  for (const path of paths.filter(each => !test.test(each)).toSorted()) {
    hash.update(`${path.replaceAll('\\', '/')}\n`).update(readFileSync(inRoot(path)))
  }
  return hash.digest('hex')
}

/** Where that is remembered. */
export const fileOf = name => `${outOf(name)}.sources`

export function stamp(name, sources) {
  writeFileSync(fileOf(name), sources)
}

export function isFresh(name) {
  const built = existsSync(`${outOf(name)}/index.html`) && existsSync(fileOf(name))
  return built && readFileSync(fileOf(name), 'utf8') === stampOf(name)
}
