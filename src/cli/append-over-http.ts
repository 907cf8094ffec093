import { CliError } from './cli-error.ts'

export interface EventToAppend {
  readonly channel: string
  readonly type: string
  /** JSON text, sent as it is: numbers keep all their digits. */
  readonly data: string
  readonly id: string
  readonly expectedOffset: number | undefined
}

export interface Recorded {
  readonly offset: number
  readonly id: string
  readonly duplicate: boolean
}

type Attempt =
  | { readonly kind: 'recorded'; readonly recorded: Recorded }
  | { readonly kind: 'temporary'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string; readonly code?: number }

/** The wire's temporary errors: internal, too many requests, and whatever stands between us and the node. */
const temporaryCodes: ReadonlySet<number> = new Set([100, 111])

/**
 * Appends over the HTTP API, repeating under the same id until it is recorded or `signal` ends the waiting.
 * @throws CliError
 */
export async function appendOverHttp(
  address: string,
  apiKey: string,
  event: EventToAppend,
  signal: AbortSignal,
): Promise<Recorded> {
  let last = ''
  for (let delayMs = 200; ; delayMs = Math.min(delayMs * 2, 2_000)) {
    const attempt = await tryOnce(address, apiKey, event, signal)
    if (attempt.kind === 'recorded') return attempt.recorded
    if (attempt.kind === 'refused') {
      throw new CliError(
        `not recorded: ${attempt.reason}`,
        attempt.code === 401 ? 'give the node’s API key with --api-key or HOLDFAST_API_KEY' : undefined,
      )
    }
    if (!signal.aborted) last = attempt.reason
    if (!(await pause(delayMs, signal))) throw unknownOutcome(event.id, last)
  }
}

export function unknownOutcome(id: string, last: string): CliError {
  return new CliError(
    `no success in time${last && ` (last: ${last})`}; whether the event was recorded is unknown`,
    `repeat it with --id ${id}: it is never recorded twice`,
  )
}

async function tryOnce(
  address: string,
  apiKey: string,
  event: EventToAppend,
  signal: AbortSignal,
): Promise<Attempt> {
  const { data, ...fields } = event
  try {
    const response = await fetch(`${address}/api/append`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': apiKey },
      body: `${JSON.stringify(fields).slice(0, -1)},"data":${data}}`,
      signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
    })
    const text = await response.text()
    if (response.status >= 500) return { kind: 'temporary', reason: `HTTP ${response.status}` }
    const answer = parse(text)
    if (answer?.result) return { kind: 'recorded', recorded: answer.result }
    const code = answer?.error?.code ?? response.status
    const reason = `${answer?.error?.message ?? text.slice(0, 200)} (${code})`
    return temporaryCodes.has(code)
      ? { kind: 'temporary', reason }
      : { kind: 'refused', reason, code: response.status }
  } catch (error) {
    const { cause, message } = error as Error & { cause?: NodeJS.ErrnoException }
    return {
      kind: 'temporary',
      reason: cause?.code === 'ECONNREFUSED' ? `nothing answers at ${address}` : message,
    }
  }
}

interface Answer {
  readonly result?: Recorded
  readonly error?: { readonly code: number; readonly message: string }
}

function parse(text: string): Answer | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** False where the waiting was ended. */
function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve(false)
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve(!signal.aborted)
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
  })
}
