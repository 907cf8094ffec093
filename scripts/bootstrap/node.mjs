import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { inRoot } from './paths.mjs'
import { Problem } from './run-all.mjs'

const needed = 24
const bundled = inRoot('node_modules/node/bin', process.platform === 'win32' ? 'node.exe' : 'node')

/** The path of a Node that runs TypeScript: the one we are in, else the one the npm package `node` brings. */
export function ensureNode() {
  if (Number(process.versions.node.split('.')[0]) >= needed) return process.execPath
  if (!existsSync(bundled)) bringBundled()
  const { stdout, status } = spawnSync(bundled, ['--version'], { encoding: 'utf8' })
  if (status !== 0) {
    throw new Problem(
      `Holdfast needs Node ${needed}; this is ${process.version}, and the one the npm package "node" brought does not run here. ` +
        `Install Node ${needed} or newer from https://nodejs.org and run the command again.`,
    )
  }
  if (process.env.HOLDFAST_VERBOSE)
    console.log(`holdfast: this Node is ${process.version}; using ${stdout.trim()} from node_modules`)
  return bundled
}

/** npm may have been told not to run install scripts; the binary is then fetched by the package's own script. */
function bringBundled() {
  console.log(
    `holdfast: this Node is ${process.version}; bringing Node ${needed} from the npm package "node"`,
  )
  spawnSync(process.execPath, ['installArchSpecificPackage.js'], {
    cwd: inRoot('node_modules/node'),
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (existsSync(bundled)) return
  throw new Problem(
    `Holdfast needs Node ${needed}; this is ${process.version}, and the npm package "node" could not bring one. ` +
      `Install Node ${needed} or newer from https://nodejs.org, or run "npm rebuild node", then run the command again.`,
  )
}
