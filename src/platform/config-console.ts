import { z } from 'zod'

/** `openssl rand -hex 32` makes one of 64. */
const leastTokenLength = 16

const consoleToken = z
  .strictObject({
    /** Who holds it: shown in the console and recorded with every act. */
    name: z.string().regex(/^[\w.@-]{1,64}$/, 'expected 1 to 64 letters, digits, _ . @ or -'),
    /** `viewer` sees everything and tails channels; `operator` acts, too. */
    role: z.enum(['viewer', 'operator']).default('viewer'),
    token: z.string().min(leastTokenLength).optional(),
    /** SHA-256 of the token in hexadecimal, in its place: then the configuration holds no secret. */
    tokenHash: z
      .string()
      .regex(/^[0-9a-f]{64}$/i, 'expected 64 hexadecimal digits (SHA-256)')
      .optional(),
  })
  .refine(
    ({ token, tokenHash }) => (token === undefined) !== (tokenHash === undefined),
    'expected exactly one of token and tokenHash',
  )

/** The operations console under `/console`. Without tokens there is none, unless `auth.insecure`. */
export const consoleConfig = z
  .strictObject({
    /** Whether there is one at all; by default where there are tokens, or `auth.insecure`. */
    enabled: z.boolean().optional(),
    tokens: z.array(consoleToken).max(100).default([]),
    /** A listener of its own: then the main one does not serve it. 0: any free port. */
    port: z.int().min(0).max(65_535).optional(),
    host: z.string().default('127.0.0.1'),
    /** Where people reach the console of this node: other nodes' consoles lead there. */
    url: z
      .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
      .max(500)
      .refine(
        url => !/[?#]/.test(url) && !hasCredentials(url),
        'expected a URL without a query, a # and a password: pages add their own place to it, and show it to every viewer',
      )
      .optional(),
    /** For how long rates and marks are kept; last week's are needed to compare with. */
    keepDays: z.int().min(1).max(90).default(15),
  })
  .superRefine(({ tokens }, context) => {
    const names = tokens.map(({ name }) => name)
    const twice = names.find((name, i) => names.indexOf(name) < i)
    if (twice !== undefined)
      context.addIssue({ code: 'custom', path: ['tokens'], message: `${twice} is there twice` })
  })

function hasCredentials(url: string): boolean {
  // What is no URL at all was said before.
  const parsed = URL.parse(url)
  return parsed !== null && (parsed.username !== '' || parsed.password !== '')
}

export type ConsoleConfig = z.output<typeof consoleConfig>
