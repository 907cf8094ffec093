import { z } from 'zod'
import { encodeClientInfo } from '../../protocol/index.ts'
import type { ApiMethod } from './method.ts'
import { check, optional } from './request.ts'

/** Entries of one history page for the server's side; larger ones are read in several. */
const maxHistoryLimit = 10_000

const channelParams = z.object({ channel: z.string().min(1) })

export const presence: ApiMethod = async (request, { router }) => {
  const { channel } = check(channelParams, request)
  const clients = [...(await router.presence(channel))].map(
    ([client, info]) => `${JSON.stringify(client)}:${encodeClientInfo(info)}`,
  )
  return `{"presence":{${clients.join(',')}}}`
}

export const presenceStats: ApiMethod = async (request, { router }) => {
  const { channel } = check(channelParams, request)
  const { clients, users } = await router.presenceStats(channel)
  return JSON.stringify({ num_clients: clients, num_users: users })
}

const historyParams = z.object({
  channel: z.string().min(1),
  /** 0: the position only; negative: as much as a page may hold. */
  limit: optional(z.int()),
  since: optional(
    z.object({
      offset: optional(z.int().min(0)),
      epoch: optional(z.string()),
    }),
  ),
  reverse: optional(z.boolean()),
})

export const history: ApiMethod = async (request, { router }) => {
  const { channel, limit = 0, since, reverse = false } = check(historyParams, request)
  const page = await router.history({
    channel,
    limit: limit < 0 ? maxHistoryLimit : Math.min(limit, maxHistoryLimit),
    reverse,
    ...(since === undefined ? {} : { since: { offset: since.offset ?? 0, epoch: since.epoch ?? '' } }),
  })
  const floor = page.floor ? `,"floor":${page.floor}` : ''
  const epoch = JSON.stringify(page.epoch)
  return `{"publications":[${page.publications.join(',')}],"epoch":${epoch},"offset":${page.offset}${floor}}`
}

const channelsParams = z.object({ pattern: optional(z.string().max(255)) })

export const channels: ApiMethod = async (request, { cluster }) => {
  const { pattern } = check(channelsParams, request)
  const counts = await cluster.channels(pattern || '*')
  const entries = [...counts].map(([name, count]) => [name, { num_clients: count }])
  return JSON.stringify({ channels: Object.fromEntries(entries) })
}

export const info: ApiMethod = async (_, { cluster }) => JSON.stringify({ nodes: await cluster.info() })
