import { CliError } from './cli-error.ts'
import { httpAddress } from './connection.ts'

export interface NodeOptions {
  readonly url?: string
  readonly apiKey?: string
}

/** A node that is well answers at once; one that has to ask the others, within a second. */
const answerWithinMs = 10_000

/**
 * Calls a method of a node's HTTP API, once.
 * @throws CliError where nothing answers there, or the node refuses
 */
export async function callNode<T>(options: NodeOptions, method: string, params: unknown): Promise<T> {
  const address = httpAddress(options.url)
  const key = options.apiKey ?? process.env['HOLDFAST_API_KEY']
  const response = await fetch(`${address}/api/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key && { 'x-api-key': key }) },
    body: JSON.stringify(params),
    signal: AbortSignal.timeout(answerWithinMs),
  }).catch((error: Error) => {
    throw new CliError(
      `no answer from ${address}: ${(error.cause as Error | undefined)?.message || error.message}`,
      'is Holdfast running there? "npm start" runs one; --url names another',
    )
  })
  const text = await response.text()
  const answer = parse(text)
  if (answer?.result !== undefined) return answer.result as T
  const refused = response.status === 401 || response.status === 403
  throw new CliError(
    `${method}: ${answer?.error?.message ?? (text.slice(0, 200) || `HTTP ${response.status}`)}`,
    refused ? 'give the node’s API key with --api-key or HOLDFAST_API_KEY' : undefined,
  )
}

function parse(text: string): { result?: unknown; error?: { message: string } } | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
