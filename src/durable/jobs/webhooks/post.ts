import { type Dispatcher, request } from 'undici'
import type { Answer } from './answer.ts'

export interface Post {
  readonly url: string
  readonly body: string
  /** Go to wherever the request goes: what describes and signs the body. */
  readonly headers: Readonly<Record<string, string>>
  /** Go to the origin of `url` only: they may be its keys. */
  readonly ownHeaders: Readonly<Record<string, string>>
  readonly userAgent: string
  readonly timeoutMs: number
  readonly maxRedirects: number
  readonly allowHttp: boolean
  readonly maxResponseBytes: number
  readonly dispatcher: Dispatcher
  /** Ends it before its time; says nothing about the receiver. */
  readonly signal: AbortSignal
}

/** 303 is not among them: it says that the answer is to be fetched elsewhere, without the body. */
const redirects: readonly number[] = [301, 302, 307, 308]

/**
 * One POST and its answer, within one deadline for all of it, however slowly the receiver sends. An answer counts when it
 * has come whole, or is longer than is read: a receiver that fails in the middle of it has not said what it meant to say.
 */
export async function post(options: Post): Promise<Answer> {
  const deadline = new AbortController()
  const timer = setTimeout(() => deadline.abort(), options.timeoutMs)
  const signal = AbortSignal.any([options.signal, deadline.signal])
  // undici looks at the signal only once it is connected, and a name or a connection may hang as well.
  const over = Promise.withResolvers<never>()
  const end = () => over.reject(signal.reason)
  signal.addEventListener('abort', end)
  try {
    signal.throwIfAborted()
    return await Promise.race([follow(options, signal), over.promise])
  } catch (error) {
    if (options.signal.aborted) return { kind: 'interrupted' }
    if (deadline.signal.aborted) return unanswered(`no complete answer within ${options.timeoutMs} ms`)
    return unanswered(failureText(error))
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
  }
}

async function follow(options: Post, signal: AbortSignal): Promise<Answer> {
  const body = Buffer.from(options.body)
  const start = new URL(options.url)
  let url = start
  for (let left = options.maxRedirects; ; left--) {
    const {
      statusCode,
      headers,
      body: answered,
    } = await request(url, {
      method: 'POST',
      dispatcher: options.dispatcher,
      signal,
      body,
      headers: {
        'user-agent': options.userAgent,
        // Before those that are signed, so that they can never stand in for one of them.
        ...(url.origin === start.origin ? options.ownHeaders : {}),
        ...options.headers,
      },
    })
    const text = await beginning(answered, options.maxResponseBytes, signal)
    if (redirects.includes(statusCode) && options.maxRedirects > 0) {
      const location = single(headers['location'])
      const next = nextUrl(url, location, options.allowHttp)
      if (typeof next === 'string') return unanswered(`status ${statusCode}: ${next}`)
      if (left === 0) return unanswered(`status ${statusCode}: more than ${options.maxRedirects} redirects`)
      url = next
      continue
    }
    return {
      kind: 'answered',
      status: statusCode,
      retryAfter: single(headers['retry-after']),
      text: headers['content-encoding'] === undefined ? text : '',
    }
  }
}

/** Where a redirect leads, or why it is not followed. */
function nextUrl(from: URL, location: string | undefined, allowHttp: boolean): URL | string {
  if (location === undefined || !URL.canParse(location, from.href)) return 'a redirect without an address'
  const to = new URL(location, from)
  if (to.protocol !== 'https:' && to.protocol !== 'http:') return `a redirect to ${to.protocol}`
  if (to.protocol === 'http:' && from.protocol === 'https:') return 'a redirect from https to http'
  if (to.protocol === 'http:' && !allowHttp) return 'a redirect to http'
  if (to.username || to.password) return 'a redirect with a user or password'
  return to
}

/** Reads to the end, or to the bound and cuts the connection; what is beyond it is nobody's time and memory. */
async function beginning(
  body: Dispatcher.ResponseData['body'],
  maxBytes: number,
  signal: AbortSignal,
): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    chunks.push(chunk)
    if (bytes > maxBytes) break
  }
  // Leaving the loop destroys the body; an abort in that moment would otherwise pass for an end.
  signal.throwIfAborted()
  return Buffer.concat(chunks).subarray(0, maxBytes).toString()
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

function unanswered(reason: string): Answer {
  return { kind: 'unanswered', reason }
}

/** Errors of sockets have a code, and sometimes no message (when several addresses were tried). */
function failureText(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: string }
  return [typeof code === 'string' ? code : '', message ?? String(error)].filter(Boolean).join(': ')
}
