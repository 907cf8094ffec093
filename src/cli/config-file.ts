import { readFile } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { applyEnvironment, type ConfigInput } from '../platform/index.ts'
import { CliError } from './cli-error.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** What `HOLDFAST_CONFIG` names. */
export interface ConfigFile {
  /** Under the environment's variables, not yet checked. */
  readonly config: ConfigInput
  /** What a module exports as `setup`: gives the node its hooks, consumer groups and jobs before it listens. */
  readonly setup: ((hf: unknown) => unknown) | undefined
}

/**
 * The configuration of `HOLDFAST_CONFIG` (JSON, or a module whose default export it is).
 * @throws CliError where the file can't be read
 */
export async function loadConfig(env: Environment): Promise<ConfigInput> {
  return (await loadConfigFile(env)).config
}

/** The same with the module's `setup`. @throws CliError as `loadConfig` */
export async function loadConfigFile(env: Environment): Promise<ConfigFile> {
  const path = env['HOLDFAST_CONFIG']
  const { default: file, setup } = path ? await readConfig(resolve(path)) : { default: {}, setup: undefined }
  if (setup !== undefined && typeof setup !== 'function') {
    throw new CliError(
      `${path}: expected the export setup to be a function, got ${typeof setup}`,
      undefined,
      2,
    )
  }
  return { config: applyEnvironment(file, env) as ConfigInput, setup: setup as ConfigFile['setup'] }
}

async function readConfig(path: string): Promise<{ default: unknown; setup?: unknown }> {
  try {
    if (extname(path) === '.json') return { default: JSON.parse(await readFile(path, 'utf8')) }
    return await import(pathToFileURL(path).href)
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new CliError(
      `could not read the configuration ${path}: ${reason}`,
      'HOLDFAST_CONFIG names a JSON file, or a TypeScript or JavaScript module with a default export',
      2,
    )
  }
}

/** The value of a variable or configuration key that a command can't do without. */
export function required(
  what: readonly (readonly [name: string, value: string | undefined])[],
  command: string,
): void {
  const missing = what.filter(([, value]) => !value).map(([name]) => name)
  if (missing.length === 0) return
  throw new CliError(
    `holdfast ${command} needs ${missing.join(' and ')}`,
    `set ${missing.length > 1 ? 'them' : 'it'}, for instance ${missing.map(name => `${name}=${samples[name] ?? '…'}`).join(' ')}; "holdfast dev" brings its own`,
    2,
  )
}

const samples: Readonly<Record<string, string>> = {
  REDIS_URL: 'redis://localhost:6379',
  DATABASE_URL: 'postgres://user:password@localhost:5432/holdfast',
}
