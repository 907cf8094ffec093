/** Methods that reach sessions, on whichever node they are. */
import { z } from 'zod'
import { HoldfastError } from '../../domain/index.ts'
import { disconnects, fitReason, unsubscribes } from '../../protocol/index.ts'
import type { ApiMethod } from './method.ts'
import { check, jsonText, optional, optionalName } from './request.ts'

/** `session` is what newer libraries call one connection; here it is the client id. */
const target = { user: optionalName, client: optionalName, session: optionalName }

function targetOf(params: {
  user?: string | undefined
  client?: string | undefined
  session?: string | undefined
}) {
  const client = params.client ?? params.session
  if (params.user === undefined && client === undefined) {
    throw new HoldfastError('REQUEST_INVALID', 'user: expected a user, or a client')
  }
  return {
    ...(params.user === undefined ? {} : { user: params.user }),
    ...(client === undefined ? {} : { client }),
  }
}

const subscribeParams = z.object({
  ...target,
  channel: z.string().min(1),
  recover_since: optional(z.object({ offset: optional(z.int().min(0)), epoch: optional(z.string()) })),
  // Ignoring an expiry would grant for ever what was meant for an hour.
  expire_at: optional(z.literal(0, 'a server-side subscription does not expire; end it with unsubscribe')),
})

export const subscribe: ApiMethod = async (request, { router, cluster }) => {
  const params = check(subscribeParams, request)
  router.options(params.channel)
  const info = jsonText(request, 'info')
  const data = jsonText(request, 'data')
  const since = params.recover_since
  await cluster.act({
    act: 'subscribe',
    ...targetOf(params),
    channel: params.channel,
    ...(info === undefined ? {} : { info }),
    ...(data === undefined ? {} : { data }),
    ...(since === undefined ? {} : { recover: { offset: since.offset ?? 0, epoch: since.epoch ?? '' } }),
  })
  return '{}'
}

const unsubscribeParams = z.object({
  ...target,
  channel: z.string().min(1),
  /** Below 2500 SDKs stay away, from there on they subscribe again. */
  code: optional(z.int().min(2000).max(2999)),
  reason: optional(z.string()),
})

export const unsubscribe: ApiMethod = async (request, { router, cluster }) => {
  const params = check(unsubscribeParams, request)
  router.options(params.channel)
  await cluster.act({
    act: 'unsubscribe',
    ...targetOf(params),
    channel: params.channel,
    code: params.code || unsubscribes.server.code,
    reason: params.reason || unsubscribes.server.reason,
  })
  return '{}'
}

const ending = {
  /** SDKs come back, but for 3500–3999 and 4500–4999. */
  code: optional(z.union([z.literal(0), z.int().min(3000).max(4999)])),
  reason: optional(z.string()),
}
const disconnectParams = z.object({
  ...target,
  whitelist: optional(z.array(z.string())),
  disconnect: optional(z.object(ending)),
  ...ending,
})

export const disconnect: ApiMethod = async (request, { cluster }) => {
  const params = check(disconnectParams, request)
  await cluster.act({
    act: 'disconnect',
    ...targetOf(params),
    whitelist: params.whitelist ?? [],
    code: params.disconnect?.code || params.code || disconnects.forceDisconnect.code,
    reason: fitReason(params.disconnect?.reason || params.reason || disconnects.forceDisconnect.reason),
  })
  return '{}'
}

const refreshParams = z.object({
  ...target,
  expired: optional(z.boolean()),
  /** Seconds since 1970. */
  expire_at: optional(z.int().min(1)),
})

export const refresh: ApiMethod = async (request, { cluster }) => {
  const params = check(refreshParams, request)
  const expired = params.expired ?? false
  if (!expired && params.expire_at === undefined) {
    throw new HoldfastError('REQUEST_INVALID', 'expire_at: expected seconds since 1970, or expired: true')
  }
  await cluster.act({
    act: 'refresh',
    ...targetOf(params),
    expired,
    ...(params.expire_at === undefined ? {} : { expireAt: params.expire_at }),
  })
  return '{}'
}
