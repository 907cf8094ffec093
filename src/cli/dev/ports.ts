import { CliError } from '../cli-error.ts'
import { freePort, isFree } from '../services/free-port.ts'

export const devHost = '127.0.0.1'

/**
 * The ports of the two nodes: HOLDFAST_PORT (8000) and the next one; with 0, any two.
 * @throws CliError where one is taken, or the variable is no port
 */
export async function choosePorts(env: NodeJS.ProcessEnv): Promise<readonly [number, number]> {
  const text = env['HOLDFAST_PORT'] || '8000'
  const base = Number(text)
  if (!/^\d+$/.test(text) || base > 65_534) {
    throw new CliError(
      `HOLDFAST_PORT: expected a port from 1 to 65534, got ${JSON.stringify(text)}`,
      undefined,
      2,
    )
  }
  if (base === 0) return [await freePort(), await freePort()]
  const ports = [base, base + 1] as const
  for (const port of ports) {
    if (await isUsable(port)) continue
    throw new CliError(
      `port ${port} is in use by another program`,
      `stop it, or choose another pair of ports: HOLDFAST_PORT=${base + 1_000} npm start`,
    )
  }
  return ports
}

async function isUsable(port: number): Promise<boolean> {
  try {
    return await isFree(port)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    throw new CliError(
      `port ${port} may not be used without more rights`,
      'choose one from 1024: HOLDFAST_PORT',
    )
  }
}
