// Builds the web pages, `console/` and `demo/`, into `dist/pages`.
//   node scripts/pages.mjs               both
//   node scripts/pages.mjs --if-changed  those whose sources are not what they were built from
//   node scripts/pages.mjs --watch       again with each change; reload the page to see it
import { pageNames } from './pages/names.mjs'
import { isFresh } from './pages/stamp.mjs'

const flags = process.argv.slice(2)
const unknown = flags.find(flag => !['--if-changed', '--watch'].includes(flag))
if (unknown) {
  console.error(`pages: expected --if-changed or --watch, got ${unknown}`)
  process.exit(2)
}

try {
  const wanted = pageNames.filter(name => !flags.includes('--if-changed') || !isFresh(name))
  // Vite is not loaded where there is nothing to do.
  const pages = wanted.length > 0 ? await import('./pages/build.mjs') : undefined
  for (const name of wanted) {
    if (flags.includes('--watch')) await pages?.watchPage(name)
    else await pages?.buildPage(name)
  }
} catch (error) {
  console.error(`pages: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
}
