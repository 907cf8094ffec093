import { z } from 'zod'
import { HoldfastError } from '../domain/index.ts'

const minSecretBytes = 24
const maxSecretBytes = 64

/** Headers that Holdfast sets by itself, or that would change what a request is. */
const ownHeaders =
  /^(?:webhook-.*|ce-.*|content-.*|host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect)$/i

const headerName = /^[!#$%&'*+.^`|~\w-]+$/
const headerValue = /^[\t\x20-\x7e]*$/

const secretForm = `expected whsec_ and ${minSecretBytes} to ${maxSecretBytes} bytes in base64 ("holdfast webhooks secret" makes one)`

/** Text that is better not written into a file: the name of a variable of the environment stands for it. */
const fromEnvironment = z.strictObject({ env: z.string().regex(/^\w+$/, 'expected the name of a variable') })

/** Where the events that a rule applies to are sent, and how. */
export const webhookConfig = z
  .strictObject({
    url: z.url({ protocol: /^https?$/, error: 'expected an http or https URL' }),
    /** Standard Webhooks secrets: all of them sign, so that a receiver can change from one to the next. */
    secrets: z
      .array(z.union([z.string().refine(isSecret, secretForm), fromEnvironment]))
      .min(1)
      .max(5),
    /** Sent with every request; to another origin than that of `url` (a redirect) never. */
    headers: z
      .record(
        z.string(),
        z.union([z.string().regex(headerValue, 'expected printable ASCII'), fromEnvironment]),
      )
      .default({}),
    /** For the whole exchange: name, connection, redirects, the answer to its last byte. */
    timeoutMs: z.int().min(100).max(120_000).default(10_000),
    /** How many redirects (301, 302, 307, 308) are followed, as a POST with the same body. */
    maxRedirects: z.int().min(0).max(10).default(0),
    /** Whether addresses of the machine itself and of private networks may be reached. */
    allowPrivate: z.boolean().default(false),
    /** Whether requests may go without TLS (default: where `allowPrivate` is on). */
    allowHttp: z.boolean().optional(),
    /** CloudEvents: the event as one JSON body, or the data as body and the rest in headers. */
    contentMode: z.enum(['structured', 'binary']).default('structured'),
    /** The `source` of its CloudEvents (default: `/holdfast/<epoch of the ledger>`). */
    source: z
      .string()
      .regex(/^[^\s\p{Cc}]+$/u, 'expected a URI reference')
      .optional(),
    /** An endpoint that fails for so long without one success is disabled; 0: never. */
    disableAfterMs: z
      .int()
      .min(0)
      .default(5 * 86_400_000),
    /** And only after so many failures, so that one that is seldom called is not judged by two. */
    disableAfterFailures: z.int().min(1).default(20),
    /** Of an answer so much is read; what follows is not waited for. */
    maxResponseBytes: z.int().min(0).max(16_777_216).default(65_536),
  })
  .superRefine(({ url, headers, allowPrivate, allowHttp = allowPrivate }, context) => {
    const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message })
    for (const name of Object.keys(headers)) {
      if (!headerName.test(name)) refuse(['headers', name], 'expected the name of a header')
      else if (ownHeaders.test(name))
        refuse(['headers', name], 'expected a header that Holdfast does not set')
    }
    if (!URL.canParse(url)) return
    const { protocol, username, password } = new URL(url)
    if (protocol === 'http:' && !allowHttp) refuse(['url'], 'expected https (allowHttp: true permits http)')
    if (username || password) refuse(['url'], 'expected no user and password in it: headers can carry them')
  })
  .transform(({ allowHttp, ...rest }) => ({ ...rest, allowHttp: allowHttp ?? rest.allowPrivate }))

export type WebhookConfig = z.output<typeof webhookConfig>
export type WebhookInput = z.input<typeof webhookConfig>

/** What a webhook signs with and sends along, taken out of the environment where it is kept there. */
export interface WebhookSecrets {
  readonly secrets: readonly string[]
  readonly headers: Readonly<Record<string, string>>
}

/**
 * @throws HoldfastError CONFIG_INVALID for a variable that is not set, or holds no secret; its value is never named
 */
export function webhookSecrets(
  { secrets, headers }: Pick<WebhookConfig, 'secrets' | 'headers'>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): WebhookSecrets {
  const text = (source: string | { readonly env: string }): string => {
    if (typeof source === 'string') return source
    const value = env[source.env]
    if (value) return value
    throw new HoldfastError('CONFIG_INVALID', `the environment has no variable ${source.env}`)
  }
  return {
    secrets: secrets.map(source => {
      const secret = text(source)
      if (typeof source === 'string' || isSecret(secret)) return secret
      throw new HoldfastError('CONFIG_INVALID', `the variable ${source.env}: ${secretForm}`)
    }),
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, source]) => {
        const value = text(source)
        if (headerValue.test(value)) return [name, value]
        throw new HoldfastError('CONFIG_INVALID', `the header ${name}: expected printable ASCII`)
      }),
    ),
  }
}

function isSecret(text: string): boolean {
  const [, encoded] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? []
  if (encoded === undefined || encoded.length % 4 !== 0) return false
  const { length } = Buffer.from(encoded, 'base64')
  return length >= minSecretBytes && length <= maxSecretBytes
}
