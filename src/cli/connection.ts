import { type Client, createClient, HoldfastClientError } from '../client/index.ts'
import { CliError } from './cli-error.ts'

export interface ConnectionOptions {
  readonly url?: string | undefined
  readonly token?: string | undefined
}

const connectWithinMs = 10_000
const sayAfterMs = 1_000

/** The address a node listens on, as `http://host:port`; the default is this machine's first node. */
export function httpAddress(url: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  const given = url ?? `http://localhost:${env['HOLDFAST_PORT'] || 8000}`
  try {
    const parsed = new URL(given.includes('://') ? given : `http://${given}`)
    const secure = parsed.protocol === 'https:' || parsed.protocol === 'wss:'
    return `${secure ? 'https' : 'http'}://${parsed.host}`
  } catch {
    throw new CliError(
      `expected an address as ws://localhost:8001, got ${JSON.stringify(given)}`,
      undefined,
      2,
    )
  }
}

export function socketAddress(url: string | undefined): string {
  const path = url?.includes('://') ? new URL(url).pathname : '/'
  return httpAddress(url).replace(/^http/, 'ws') + (path === '/' ? '/connection/websocket' : path)
}

/**
 * Connects for one command; afterwards the client reconnects by itself and for ever.
 * @throws CliError where no connection comes about, or the server refuses it
 */
export async function connect(options: ConnectionOptions): Promise<Client> {
  const address = socketAddress(options.url)
  const client = createClient(address, {
    ...(options.token !== undefined && { token: options.token }),
    reconnectDelayMs: { min: 200, max: 3_000 },
    onError: error => console.error(`holdfast: ${error instanceof Error ? error.message : error}`),
  })
  const late = new CliError(
    `no connection to ${address} within ${connectWithinMs / 1_000} s`,
    'is Holdfast running there? "npm start" runs one; --url names another',
  )
  const patience = setTimeout(() => console.error(`holdfast: connecting to ${address}`), sayAfterMs)
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late), connectWithinMs)
  })
  try {
    await Promise.race([client.connect(), limit])
    return client
  } catch (error) {
    client.disconnect()
    throw error instanceof HoldfastClientError ? refused(address, error) : error
  } finally {
    clearTimeout(patience)
    clearTimeout(timer)
  }
}

function refused(address: string, error: HoldfastClientError): CliError {
  return new CliError(
    `${address} refuses the connection: ${error.message} (${error.code})`,
    'give a valid token with --token ("holdfast token" makes one)',
  )
}
