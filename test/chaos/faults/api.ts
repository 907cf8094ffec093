import { setTimeout as delay } from 'node:timers/promises'
import { nodeConfig } from '../holdfast/config.ts'
import type { NodeProcess } from '../types.ts'

interface Answer {
  readonly result?: Record<string, unknown>
  readonly error?: { readonly code: number; readonly message: string }
}

/** Says that nothing is wrong with the question: it is to be asked again. */
const temporary = 100
const patienceMs = 20_000

/**
 * Calls the server API of a node, as its users do: what fails for a moment is repeated, so give what must not be done
 * twice an `idempotency_key`. @throws Error with what it said
 */
export async function api(
  { port }: NodeProcess,
  method: string,
  body: unknown,
): Promise<Record<string, unknown>> {
  const end = performance.now() + patienceMs
  for (;;) {
    const { result, error } = await call(port, method, body)
    if (result) return result
    if (error?.code !== temporary || performance.now() > end)
      throw new Error(`${method}: ${error?.message ?? 'no answer'}`)
    await delay(200)
  }
}

async function call(port: number | undefined, method: string, body: unknown): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${port}/api/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': nodeConfig.api.key },
    body: JSON.stringify(body),
  })
  return (await response.json()) as Answer
}
