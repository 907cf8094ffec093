// Builds what is published: `dist` of the server from `src` with the web pages in it, and `packages/client/dist` from
// `src/client`.
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, sep } from 'node:path'
import { inRoot, root } from './bootstrap/paths.mjs'
import { outOf, pageNames } from './pages/names.mjs'
import { fileOf } from './pages/stamp.mjs'

const dist = inRoot('dist')
const clientDist = inRoot('packages/client/dist')

// A node of this checkout may be serving the pages: each is replaced when the new one is there.
const pagesThere = pageNames.flatMap(name => [outOf(name), fileOf(name)])
for (const each of globSync(`${dist}/{,pages/}*`)) {
  if (pagesThere.some(kept => kept === each || kept.startsWith(`${each}${sep}`))) continue
  rmSync(each, { recursive: true, force: true })
}
rmSync(clientDist, { recursive: true, force: true })
rmSync(inRoot('tsconfig.build.tsbuildinfo'), { force: true })

const tsc = spawnSync(
  process.execPath,
  [inRoot('node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
  {
    cwd: root,
    stdio: 'inherit',
  },
)
if (tsc.status !== 0) process.exit(tsc.status ?? 1)

for (const file of globSync('src/**/*.{lua,sql}', { cwd: root })) {
  const target = inRoot(file.replace(/^src/, 'dist'))
  mkdirSync(dirname(target), { recursive: true })
  copyFileSync(inRoot(file), target)
}

// It has no types, so that it is JavaScript but for what it imports; what is published has no sources.
const instrumentation = readFileSync(inRoot('observability/instrumentation.ts'), 'utf8')
mkdirSync(`${dist}/observability`)
writeFileSync(
  `${dist}/observability/instrumentation.js`,
  instrumentation.replaceAll(/'\.\.\/src\/(.*)\.ts'/g, "'../$1.js'"),
)

// The client's package is the client alone, and of the contract its types alone.
cpSync(`${dist}/client`, `${clientDist}/client`, { recursive: true })
mkdirSync(`${clientDist}/contract`)
copyFileSync(`${dist}/contract/types.d.ts`, `${clientDist}/contract/types.d.ts`)
copyFileSync(inRoot('LICENSE'), inRoot('packages/client/LICENSE'))
for (const file of globSync('**/*.js', { cwd: clientDist })) {
  const own = /^client[\\/]react[\\/]/.test(file)
    ? /from ['"](?!react['"]|\.\/|\.\.\/[\w-]+\.js['"])[^'"]+/
    : /from ['"](?!centrifuge['"]|\.\/)[^'"]+/
  const foreign = readFileSync(`${clientDist}/${file}`, 'utf8').match(own)
  if (foreign) {
    console.error(`build: packages/client/dist/${file} would load something of the server: ${foreign[0]}`)
    process.exit(1)
  }
}

const pages = spawnSync(process.execPath, [inRoot('scripts/pages.mjs')], { cwd: root, stdio: 'inherit' })
if (pages.status !== 0) process.exit(pages.status ?? 1)
console.log('built dist and packages/client/dist')
