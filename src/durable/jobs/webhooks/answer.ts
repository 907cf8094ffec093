/** What a receiver's answer, or the lack of one, means. Pure: it reads no clock but what it is given. */

/** How an exchange with a receiver ended. */
export type Answer =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly retryAfter?: string | undefined
      /** The beginning of the body, as it came. */
      readonly text: string
    }
  | { readonly kind: 'unanswered'; readonly reason: string }
  /** The caller's signal ended it: nothing is known of the receiver. */
  | { readonly kind: 'interrupted' }

export type Verdict =
  | { readonly kind: 'delivered' }
  /** 410: the receiver wants no more. */
  | { readonly kind: 'gone'; readonly reason: string }
  | {
      readonly kind: 'failed'
      readonly reason: string
      /** How long the receiver asks to be left alone. */
      readonly retryAfterMs?: number
    }
  | { readonly kind: 'interrupted' }

/** A receiver is never left alone for longer: it may be well again long before the time it named. */
const maxRetryAfterMs = 3_600_000
const minRetryAfterMs = 1_000
const maxExcerpt = 200
/** Shorter values would be found everywhere in an answer, and are no secret. */
const minSecretLength = 6

/**
 * Standard Webhooks: 2xx is a success, 410 ends the endpoint, everything else is a failure that is tried again. That
 * includes other 4xx: a key is corrected, a route deployed, and what is still refused after the rule's attempts is parked.
 * @param secrets what must not get into a reason, should the receiver repeat it
 */
export function verdictOn(answer: Answer, now: number, secrets: readonly string[] = []): Verdict {
  if (answer.kind === 'interrupted') return answer
  if (answer.kind === 'unanswered') return { kind: 'failed', reason: cleaned(answer.reason, secrets) }
  const { status, retryAfter, text } = answer
  if (status >= 200 && status < 300) return { kind: 'delivered' }
  const excerpt = cleaned(text, secrets)
  const reason = `status ${status}${excerpt === '' ? '' : `: ${excerpt}`}`
  if (status === 410) return { kind: 'gone', reason }
  const retryAfterMs = retryAfterIn(retryAfter, now)
  return { kind: 'failed', reason, ...(retryAfterMs !== undefined && { retryAfterMs }) }
}

/** `Retry-After` in seconds or as a date, within bounds; undefined where it says nothing that can be followed. */
export function retryAfterIn(header: string | undefined, now: number): number | undefined {
  const text = header?.trim() ?? ''
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now
  return ms >= minRetryAfterMs ? Math.min(ms, maxRetryAfterMs) : undefined
}

/** One line that can be stored and shown anywhere, without the secrets that may have come back in it. */
function cleaned(text: string, secrets: readonly string[]): string {
  const hidden = [...secrets]
    .filter(secret => secret.length >= minSecretLength)
    // The longest first: one may hold another.
    .sort((a, b) => b.length - a.length)
    .reduce((rest, secret) => rest.replaceAll(secret, '[hidden]'), text)
  // Control and formatting characters could forge lines in a log, or make a terminal act.
  const line = hidden.replace(/[\p{C}\s]+/gu, ' ').trim()
  return line.length > maxExcerpt ? `${line.slice(0, maxExcerpt).toWellFormed()}…` : line
}
