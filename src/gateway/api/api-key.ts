import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Config } from '../../platform/index.ts'
import { isKnownHost } from '../known-host.ts'

/**
 * `open`: no key is configured and `insecure` is on; `elsewhere`: but the request asks for a name that may be a foreign page's.
 * `closed`: no key is configured, so nobody can have one.
 */
export type Access = 'granted' | 'denied' | 'closed' | 'open' | 'elsewhere'

/**
 * Whether a request may use the API: `X-API-Key: <key>` or `Authorization: apikey <key>`. A key is not looked for in
 * the URL, because URLs end up in logs.
 */
export function accessOf(
  headers: IncomingHttpHeaders,
  key: string | undefined,
  { insecure, allowedOrigins }: Pick<Config['auth'], 'insecure' | 'allowedOrigins'>,
): Access {
  if (key === undefined) {
    if (!insecure) return 'closed'
    return isKnownHost(headers.host, allowedOrigins) ? 'open' : 'elsewhere'
  }
  const named = headers['x-api-key']
  const given = typeof named === 'string' ? named : /^apikey\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  return given !== undefined && isSame(given, key) ? 'granted' : 'denied'
}

/** Takes the same time whatever is given: digests have one length, and are compared to the end. */
function isSame(given: string, key: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(key))
}
