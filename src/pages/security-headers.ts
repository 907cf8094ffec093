import type { PageName } from './page-name.ts'

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "media-src 'self' blob:",
  // The same host by WebSocket too: `'self'` covers it in the browsers of today.
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** What each page may use of the browser; a meeting needs eyes and ears. */
const permissions: Readonly<Record<PageName, string>> = {
  console: 'camera=(), microphone=(), geolocation=()',
  demo: 'camera=(self), microphone=(self), geolocation=()',
}

/** Keeps out scripts, frames and types that are not the page's own, and its address from others. */
export function securityHeaders(name: PageName): Record<string, string> {
  return {
    'content-security-policy': policy,
    'permissions-policy': permissions[name],
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'cross-origin-opener-policy': 'same-origin',
  }
}
