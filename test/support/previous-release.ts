import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import previous from './previous-release.json' with { type: 'json' }

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

export interface Release {
  /** Its program, to be given to `start`. */
  readonly bin: string
  remove(): Promise<void>
}

/** Why the previous release can't be had here; undefined where it can. */
export async function whyNoPreviousRelease(): Promise<string | undefined> {
  try {
    await run('git', ['-C', root, 'cat-file', '-e', `${previous.commit}^{commit}`])
    return undefined
  } catch {
    return `commit ${previous.commit} is not in this clone (a shallow one, or an export); "git fetch --unshallow" brings it`
  }
}

/** Lays the previous release out in a folder of its own, over the dependencies of this one. */
export async function previousRelease(): Promise<Release> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-previous-'))
  const archive = join(directory, 'release.tar')
  const parts = ['bin', 'src', 'migrations', 'package.json']
  await run('git', ['-C', root, 'archive', '-o', archive, previous.commit, ...parts])
  await run('tar', ['-xf', archive, '-C', directory])
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
  return {
    bin: join(directory, 'bin/holdfast'),
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}
