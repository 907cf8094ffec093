/** Why there is no answer, in words for a person. */
export interface Failure {
  /**
   * `silent`: the node did not answer, or not in time. `refused`: it answered that it can't or won't. `signed_out`: it does
   * not know the token, or not any more.
   */
  readonly kind: 'silent' | 'refused' | 'signed_out'
  readonly message: string
  readonly status?: number
  readonly code?: string | number
}

export type Outcome<T> =
  | { readonly kind: 'answer'; readonly body: T }
  | { readonly kind: 'failure'; readonly failure: Failure }

/** The server gives itself two seconds; what is slower than this is a network or a process that hangs. */
const deadlineMs = 4_000
/** An act may move many rows. */
const actDeadlineMs = 40_000

/** The console's server, asked with the token of whoever has signed in. Never throws. */
export class Api {
  readonly token: string
  readonly #base: string
  readonly #signedOut: (failure: Failure) => void

  constructor(token: string, base: string, signedOut: (failure: Failure) => void) {
    this.token = token
    this.#base = base
    this.#signedOut = signedOut
  }

  /** `takesMs`: what the answer takes by itself, because it is asked to look on for so long. */
  get<T>(path: string, signal?: AbortSignal, takesMs = 0): Promise<Outcome<T>> {
    return this.#call<T>(path, {}, deadlineMs + takesMs, signal)
  }

  post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<Outcome<T>> {
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }
    return this.#call<T>(path, init, actDeadlineMs, signal)
  }

  async #call<T>(
    path: string,
    init: RequestInit,
    withinMs: number,
    signal?: AbortSignal,
  ): Promise<Outcome<T>> {
    const deadline = AbortSignal.timeout(withinMs)
    try {
      const response = await fetch(`${this.#base}${path}`, {
        ...init,
        headers: {
          ...init.headers,
          ...(this.token === '' ? {} : { authorization: `Bearer ${this.token}` }),
        },
        cache: 'no-store',
        credentials: 'omit',
        signal: signal ? AbortSignal.any([deadline, signal]) : deadline,
      })
      const body = await readJson(response)
      if (response.ok && body !== undefined) return { kind: 'answer', body: body as T }
      const failure = failureOf(response, body)
      if (failure.kind === 'signed_out' && !signal?.aborted) this.#signedOut(failure)
      return { kind: 'failure', failure }
    } catch {
      const message = deadline.aborted
        ? `this node did not answer within ${withinMs / 1_000} seconds`
        : 'this node cannot be reached'
      return { kind: 'failure', failure: { kind: 'silent', message } }
    }
  }
}

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text()
  try {
    return text === '' ? {} : JSON.parse(text)
  } catch {
    return undefined
  }
}

function failureOf(response: Response, body: unknown): Failure {
  const { status } = response
  const error = (body as { error?: { code?: string | number; message?: string } } | undefined)?.error
  const message = error?.message ?? `the server answered ${status}`
  const code = error?.code === undefined ? {} : { code: error.code }
  return { kind: status === 401 ? 'signed_out' : 'refused', message, status, ...code }
}
