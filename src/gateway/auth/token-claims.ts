import type { JWTPayload } from 'jose'
import { z } from 'zod'
import { HoldfastError } from '../../domain/index.ts'
import type { ChannelGrant, Credentials } from '../types.ts'

const base64Json = z.base64().transform((text, context) => {
  const json = Buffer.from(text, 'base64').toString('utf8')
  try {
    JSON.parse(json)
    // Messages are lines on the wire; between the tokens of JSON a line break means nothing.
    return json.replace(/[\r\n]+/g, '')
  } catch {
    context.addIssue({ code: 'custom', message: 'expected JSON in base64' })
    return z.NEVER
  }
})

const common = {
  sub: z.string().default(''),
  exp: z.number().optional(),
  /** Seconds; says when the connection or subscription ends, in place of `exp`. 0: never. */
  expire_at: z.number().min(0).optional(),
  info: z.unknown().optional(),
  b64info: base64Json.optional(),
}
const serverSubscription = z.object({
  info: z.unknown().optional(),
  b64info: base64Json.optional(),
  data: z.unknown().optional(),
  b64data: base64Json.optional(),
})
const connectionClaims = z.object({
  ...common,
  channel: z.undefined('a channel token is no connection token').optional(),
  channels: z.array(z.string()).default([]),
  subs: z.record(z.string(), serverSubscription).default({}),
})
const channelClaims = z.object({
  ...common,
  channel: z.string().optional(),
  client: z.string().default(''),
  data: z.unknown().optional(),
  b64data: base64Json.optional(),
})

/** @throws HoldfastError TOKEN_INVALID for claims of another shape, TOKEN_EXPIRED for an `expire_at` in the past */
export function connectionOf(payload: JWTPayload): Credentials {
  const claims = read(connectionClaims, payload)
  const subscriptions = new Map<string, { info?: string; data?: string }>()
  for (const channel of claims.channels) subscriptions.set(channel, {})
  for (const [channel, options] of Object.entries(claims.subs)) subscriptions.set(channel, textsOf(options))
  const { info } = textsOf(claims)
  return { user: claims.sub, ...(info === undefined ? {} : { info }), ...expiryOf(claims), subscriptions }
}

export interface ChannelClaims {
  readonly user: string
  readonly channel: string | undefined
  /** The empty string: any connection of the user. */
  readonly client: string
  readonly grant: ChannelGrant
}

/** @throws HoldfastError TOKEN_INVALID for claims of another shape, TOKEN_EXPIRED for an `expire_at` in the past */
export function channelClaimsOf(payload: JWTPayload): ChannelClaims {
  const claims = read(channelClaims, payload)
  return {
    user: claims.sub,
    channel: claims.channel,
    client: claims.client,
    grant: { ...textsOf(claims), ...expiryOf(claims) },
  }
}

function read<T>(schema: z.ZodType<T>, payload: JWTPayload): T {
  const result = schema.safeParse(payload)
  if (result.success) return result.data
  const faults = result.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`)
  throw new HoldfastError('TOKEN_INVALID', `the token's claims are not valid: ${faults.join('; ')}`)
}

interface Texts {
  info?: unknown
  b64info?: string | undefined
  data?: unknown
  b64data?: string | undefined
}

function textsOf(claims: Texts): { info?: string; data?: string } {
  const info = claims.info === undefined ? claims.b64info : JSON.stringify(claims.info)
  const data = claims.data === undefined ? claims.b64data : JSON.stringify(claims.data)
  return { ...(info === undefined ? {} : { info }), ...(data === undefined ? {} : { data }) }
}

function expiryOf(claims: { exp?: number | undefined; expire_at?: number | undefined }): {
  expireAt?: number
} {
  const at = claims.expire_at ?? claims.exp
  if (at === undefined || claims.expire_at === 0) return {}
  if (claims.expire_at !== undefined && claims.expire_at <= Date.now() / 1000) {
    throw new HoldfastError('TOKEN_EXPIRED', 'the token lets the connection end in the past')
  }
  return { expireAt: Math.floor(at) }
}
