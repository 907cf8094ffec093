import type { IncomingMessage } from 'node:http'
import { isKnownHost } from './known-host.ts'
import type { Opening } from './session-context.ts'

/** Set on a request that has come in by the console's own listener. */
export const byConsole = Symbol('byConsole')

export const webSocketPath = '/connection/websocket'

/**
 * Whether a browser's page may connect. Browsers send cookies along from any page, so a foreign page could act as
 * the user. Programs send no Origin; they are let in, for they could send any.
 */
export function isOriginAllowed(
  request: IncomingMessage,
  {
    allowedOrigins: allowed,
    insecure,
  }: { readonly allowedOrigins: readonly string[]; readonly insecure: boolean },
): boolean {
  const { origin, host } = request.headers
  if (origin === undefined || allowed.includes('*')) return true
  const asked = origin.toLowerCase()
  if (allowed.some(each => each.toLowerCase() === asked)) return true
  // Where nobody has to prove anything, a page that has its own name lead here would be its own here.
  if (host === undefined || (insecure && !isKnownHost(host, allowed))) return false
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}

const protobufProtocol = 'centrifuge-protobuf'
const jsonProtocol = 'centrifuge-json'

/** Chooses the subprotocol to answer with: browsers fail a connection whose offer is not answered. */
export function chooseProtocol(offered: ReadonlySet<string>): string | false {
  if (offered.has(jsonProtocol)) return jsonProtocol
  return offered.has(protobufProtocol) ? protobufProtocol : false
}

/** Whether the client asks for the binary encoding, which is not served. */
export function wantsProtobuf(request: IncomingMessage, chosenProtocol: string): boolean {
  if (chosenProtocol === protobufProtocol) return true
  const query = new URLSearchParams(request.url?.split('?', 2)[1] ?? '')
  return query.get('format') === 'protobuf' || query.get('cf_protocol') === 'protobuf'
}

export function openingOf(request: IncomingMessage): Opening {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return { headers, cookies: parseCookies(request.headers.cookie ?? ''), byConsole: byConsole in request }
}

function parseCookies(header: string): Record<string, string> {
  const cookies: Record<string, string> = Object.create(null)
  for (const part of header.split(';')) {
    const equals = part.indexOf('=')
    if (equals < 1) continue
    const name = part.slice(0, equals).trim()
    if (name !== '' && cookies[name] === undefined) cookies[name] = decode(part.slice(equals + 1).trim())
  }
  return cookies
}

function decode(value: string): string {
  const bare = value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
  try {
    return decodeURIComponent(bare)
  } catch {
    return bare
  }
}
