import { nodeConfig } from '../holdfast/config.ts'
import type { NodeProcess } from '../types.ts'

/** Calls the server API of a node. @throws Error with what it said */
export async function api(
  { port }: NodeProcess,
  method: string,
  body: unknown,
): Promise<Record<string, unknown>> {
  const response = await fetch(`http://127.0.0.1:${port}/api/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': nodeConfig.api.key },
    body: JSON.stringify(body),
  })
  const { result, error } = (await response.json()) as {
    result?: Record<string, unknown>
    error?: { message: string }
  }
  if (!result) throw new Error(`${method}: ${error?.message ?? response.status}`)
  return result
}
