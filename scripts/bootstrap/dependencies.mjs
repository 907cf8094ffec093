import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { inRoot, root } from './paths.mjs'
import { Problem } from './run-all.mjs'

const stamp = inRoot('node_modules/.holdfast-lock')

/** Runs `npm ci` where `node_modules` is missing or is not what `package-lock.json` asks for. */
export function ensureDependencies() {
  const lock = readFileSync(inRoot('package-lock.json'), 'utf8')
  const digest = createHash('sha256').update(lock).digest('hex')
  if (readText(stamp) === digest) return
  const reason = whyInstall(lock)
  if (reason) {
    console.log(
      `holdfast: bringing the dependencies with "npm ci", because ${reason}; the first time takes a minute`,
    )
    install()
  }
  writeFileSync(stamp, digest)
}

/** npm keeps a lock of what it really installed; where it agrees, `npm install` was run by hand. */
function whyInstall(lock) {
  if (!existsSync(inRoot('node_modules'))) return 'node_modules is missing'
  const installed = parse(readText(inRoot('node_modules/.package-lock.json')))
  if (!installed?.packages) return 'an earlier installation was not finished'
  for (const [path, wanted] of Object.entries(JSON.parse(lock).packages)) {
    if (path === '' || wanted.link) continue
    const found = installed.packages[path]
    if (!found && wanted.optional) continue
    if (found?.version !== wanted.version)
      return `package-lock.json asks for ${path.replace(/^.*node_modules\//, '')} ${wanted.version}`
  }
  return undefined
}

function install() {
  const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error']
  const npm = process.env.npm_execpath
  // Under npm, PATH may name the Node inside node_modules, which `npm ci` removes: the one that runs npm stays.
  const node = process.env.npm_node_execpath ?? process.execPath
  const result = npm?.endsWith('.js')
    ? spawnSync(node, [npm, ...args], { cwd: root, stdio: 'inherit' })
    : spawnSync('npm', args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' })
  if (result.error)
    throw new Problem(`could not run npm: ${result.error.message}. Install npm, or put it on the PATH.`)
  if (result.status !== 0) {
    throw new Problem(
      '"npm ci" failed; its message is above. Is the npm registry reachable? Then run the command again.',
    )
  }
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

function parse(text) {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}
