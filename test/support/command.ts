import { execFile } from 'node:child_process'
import { inject } from 'vitest'

export interface CommandResult {
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
  /** The output as JSON. */
  json<T = Record<string, unknown>>(): T
}

/** Runs the real `holdfast`, with nothing of Holdfast in its environment but what is given. */
export function holdfast(
  args: readonly (string | number)[],
  env: Record<string, string> = {},
): Promise<CommandResult> {
  const names = /^(HOLDFAST_|REDIS_URL|DATABASE_URL)/
  const bare = Object.fromEntries(Object.entries(process.env).filter(([name]) => !names.test(name)))
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [inject('program'), ...args.map(String)],
      { env: { ...bare, ...env } },
      (error, stdout, stderr) => {
        resolve({ code: error?.code ?? 0, stdout, stderr, json: () => JSON.parse(stdout) })
      },
    )
  })
}
