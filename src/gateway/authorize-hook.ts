import { z } from 'zod'
import { type Action, HoldfastError } from '../domain/index.ts'
import { callHook } from './hook-call.ts'
import type { ChannelGrant } from './types.ts'

export interface AuthorizeCall {
  /** The empty string: anonymous. */
  readonly user: string
  readonly client: string
  readonly channel: string
  /** What the pattern's parameters stand for in `channel`. */
  readonly params: Readonly<Record<string, string>>
  readonly action: Action
}

/** A grant with more to say than yes: JSON values for the subscriber's info and the subscribe reply's data. */
export interface Authorization {
  readonly info?: unknown
  readonly data?: unknown
  /** Seconds since 1970, when the subscription ends. */
  readonly expireAt?: number | undefined
}

/**
 * Decides for the channels of its pattern, in place of the namespace's `allow` lists. Anything but `true` or an
 * authorization denies; a throw, or one that takes too long, is a temporary error and grants nothing.
 */
export type AuthorizeHook = (
  call: AuthorizeCall,
) => boolean | Authorization | undefined | null | Promise<boolean | Authorization | undefined | null>

const authorization = z.strictObject({
  info: z.unknown().optional(),
  data: z.unknown().optional(),
  expireAt: z.number().optional(),
})

/** @throws HoldfastError DEPENDENCY_* (the hook failed or answered with something else), or the hook's own */
export async function askApplication(
  hook: AuthorizeHook,
  call: AuthorizeCall,
  timeoutMs: number,
): Promise<ChannelGrant | undefined> {
  const answer = await callHook('authorize', timeoutMs, () => hook(call))
  if (answer === true) return {}
  if (answer === false || answer === undefined || answer === null) return undefined
  const result = authorization.safeParse(answer)
  if (!result.success) {
    throw new HoldfastError('DEPENDENCY_FAILED', 'the authorize hook answered with neither yes nor no', {
      cause: result.error,
    })
  }
  const { info, data, expireAt } = result.data
  return {
    ...(info === undefined ? {} : { info: JSON.stringify(info) }),
    ...(data === undefined ? {} : { data: JSON.stringify(data) }),
    ...(expireAt === undefined ? {} : { expireAt }),
  }
}
