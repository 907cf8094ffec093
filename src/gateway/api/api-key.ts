import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** `open`: no key is configured and `insecure` is on. `closed`: no key is configured, so nobody can have one. */
export type Access = 'granted' | 'denied' | 'closed' | 'open'

/**
 * Whether a request may use the API: `X-API-Key: <key>` or `Authorization: apikey <key>`. A key is not looked for in
 * the URL, because URLs end up in logs.
 */
export function accessOf(headers: IncomingHttpHeaders, key: string | undefined, insecure: boolean): Access {
  if (key === undefined) return insecure ? 'open' : 'closed'
  const named = headers['x-api-key']
  const given = typeof named === 'string' ? named : /^apikey\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  return given !== undefined && isSame(given, key) ? 'granted' : 'denied'
}

/** Takes the same time whatever is given: digests have one length, and are compared to the end. */
function isSame(given: string, key: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(key))
}
