import { isIP } from 'node:net'

/**
 * Whether a request's `Host` is one that no foreign page can have had resolved to this node: a name of this machine, an
 * address, or the host of an allowed origin. A page whose own name is made to lead here (DNS rebinding) is of one origin with
 * us as its browser sees it; only that name tells. Programs may send none.
 */
export function isKnownHost(host: string | undefined, allowedOrigins: readonly string[]): boolean {
  if (host === undefined || allowedOrigins.includes('*')) return true
  const url = `http://${host}`
  if (!URL.canParse(url)) return false
  const { hostname } = new URL(url)
  if (hostname === 'localhost' || hostname.endsWith('.localhost')) return true
  if (isIP(hostname) !== 0 || hostname.startsWith('[')) return true
  return allowedOrigins.some(origin => URL.canParse(origin) && new URL(origin).hostname === hostname)
}

/** What is said to whoever comes by another name. */
export const unknownHost =
  'this name leads to an open node (auth.insecure), which answers to localhost, addresses and the hosts of auth.allowedOrigins only'
