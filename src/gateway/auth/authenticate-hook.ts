import { z } from 'zod'
import { HoldfastError } from '../../domain/index.ts'
import { callHook } from '../hook-call.ts'
import type { Credentials, Handshake } from '../types.ts'

/** What an application's `authenticate` hook says about a connection. */
export interface Identity {
  /** The empty string: anonymous. */
  readonly user: string
  /** Any JSON value; shown to others in presence and publications. */
  readonly info?: unknown
  /** Seconds since 1970; the client has to refresh by then. */
  readonly expireAt?: number | undefined
  /** Server-side subscriptions: names, or names with JSON values for the channel's info and the reply's data. */
  readonly channels?:
    | readonly string[]
    | Readonly<Record<string, { readonly info?: unknown; readonly data?: unknown }>>
    | undefined
}

/**
 * Says who a connection is; `undefined` or `null` leaves it to the configured tokens. It refuses by throwing
 * `HoldfastError` NOT_AUTHENTICATED, TOKEN_INVALID or TOKEN_EXPIRED; another throw, or one that takes too long,
 * is a temporary error. It is asked again when a client refreshes: then there is only a token, and `client` is empty.
 */
export type AuthenticateHook = (
  handshake: Handshake,
) => Identity | undefined | null | Promise<Identity | undefined | null>

const identity = z.object({
  user: z.string(),
  info: z.unknown().optional(),
  expireAt: z.number().optional(),
  channels: z
    .union([
      z.array(z.string()),
      z.record(z.string(), z.object({ info: z.unknown().optional(), data: z.unknown().optional() })),
    ])
    .optional(),
})

/** @throws HoldfastError DEPENDENCY_* (the hook failed or answered with something else), or the hook's own */
export async function askApplication(
  hook: AuthenticateHook,
  handshake: Handshake,
  timeoutMs: number,
): Promise<Credentials | undefined> {
  const answer = await callHook('authenticate', timeoutMs, () => hook(handshake))
  if (answer === undefined || answer === null) return undefined
  const result = identity.safeParse(answer)
  if (!result.success) {
    throw new HoldfastError('DEPENDENCY_FAILED', 'the authenticate hook answered with no identity', {
      cause: result.error,
    })
  }
  const { user, info, expireAt, channels = [] } = result.data
  const entries = Array.isArray(channels)
    ? channels.map(name => [name, {}] as const)
    : Object.entries(channels)
  return {
    user,
    ...jsonOf('info', info),
    ...(expireAt === undefined ? {} : { expireAt }),
    subscriptions: new Map(
      entries.map(([name, options]: readonly [string, { info?: unknown; data?: unknown }]) => [
        name,
        { ...jsonOf('info', options.info), ...jsonOf('data', options.data) },
      ]),
    ),
  }
}

function jsonOf<K extends string>(key: K, value: unknown): { [key in K]?: string } {
  const text = value === undefined ? undefined : JSON.stringify(value)
  return (text === undefined ? {} : { [key]: text }) as { [key in K]?: string }
}
