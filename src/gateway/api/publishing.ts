import { z } from 'zod'
import { asHoldfastError, HoldfastError, type Position } from '../../domain/index.ts'
import { eventIdOfKey, eventIdPerChannel } from '../event-key.ts'
import { followedChannels, tracedCall } from './api-tracing.ts'
import { errorBody } from './error-body.ts'
import type { ApiMethod, ApiParts } from './method.ts'
import { check, optional, optionalName, requiredData } from './request.ts'

/** A broadcast is answered when all its channels are; more than these belong into several. */
const maxBroadcastChannels = 10_000
/** Each channel gets a line of its own. */
const maxBroadcastCharacters = 67_108_864

const common = {
  skip_history: optional(z.boolean()),
  tags: optional(z.record(z.string(), z.string())),
  idempotency_key: optionalName,
  /** Durable channels: the event's type. */
  type: optionalName,
  /** Centrifugo's "drop if not newer". Holdfast has `expectedOffset` on append for this. */
  version: optional(z.literal(0, 'versioned publications are not available; see append and expectedOffset')),
}
const publishParams = z.object({ channel: z.string().min(1), ...common })
const broadcastParams = z.object({
  channels: z.array(z.string().min(1)).min(1).max(maxBroadcastChannels),
  ...common,
})

export const publish: ApiMethod = async (request, parts) => {
  const params = check(publishParams, request)
  const data = requiredData(request)
  return tracedCall(parts, request, 'publish', params.channel, trace =>
    publishTo(params.channel, data, params, parts, trace),
  )
}

export const broadcast: ApiMethod = async (request, parts) => {
  const { channels, ...params } = check(broadcastParams, request)
  const data = requiredData(request)
  if (channels.length * data.length > maxBroadcastCharacters) {
    const message = `channels: ${channels.length} times ${data.length} characters of data are too many; broadcast to fewer at a time`
    throw new HoldfastError('REQUEST_INVALID', message)
  }
  const key = params.idempotency_key
  const publishAll = async (trace: string | undefined) => {
    const responses = channels.map((channel, i) => respond(channel, i < followedChannels ? trace : undefined))
    return `{"responses":[${(await Promise.all(responses)).join(',')}]}`
  }
  const respond = async (channel: string, trace: string | undefined) => {
    try {
      const durable = parts.router.options(channel).tier === 'durable'
      const idempotency_key = durable && key !== undefined ? eventIdPerChannel(channel, key) : key
      return `{"result":${await publishTo(channel, data, { ...params, idempotency_key }, parts, trace)}}`
    } catch (error) {
      return `{"error":${errorBody(asHoldfastError(error))}}`
    }
  }
  return tracedCall(parts, request, 'broadcast', channels[0] ?? '', publishAll)
}

async function publishTo(
  channel: string,
  data: string,
  params: Omit<z.output<typeof publishParams>, 'channel'>,
  { router }: ApiParts,
  trace: string | undefined,
): Promise<string> {
  const key = params.idempotency_key
  const position = await router.publish({
    channel,
    data,
    trace,
    ...(params.tags === undefined ? {} : { tags: params.tags }),
    ...(params.skip_history === undefined ? {} : { skipHistory: params.skip_history }),
    ...(params.type === undefined ? {} : { type: params.type }),
    ...(key === undefined ? {} : { idempotencyKey: key }),
  })
  return encodePosition(position)
}

function encodePosition(position: Position | undefined): string {
  return position ? JSON.stringify({ offset: position.offset, epoch: position.epoch }) : '{}'
}

/** Strict, because a misspelt `expectedOffset` would silently append without looking. */
const appendParams = z
  .strictObject({
    channel: z.string().min(1),
    type: z.string().min(1),
    data: z.unknown().optional(),
    b64data: z.unknown().optional(),
    id: optional(z.uuid()),
    idempotency_key: optionalName,
    expectedOffset: optional(z.int().min(0)),
  })
  .refine(params => params.id === undefined || params.idempotency_key === undefined, {
    message: 'expected id or idempotency_key, got both',
    path: ['id'],
  })

export const append: ApiMethod = async (request, parts) => {
  const { channel, type, id, idempotency_key: key, expectedOffset } = check(appendParams, request)
  const data = requiredData(request)
  const given = id ?? (key === undefined ? undefined : eventIdOfKey(channel, key))
  const appended = await tracedCall(parts, request, 'append', channel, trace =>
    parts.router.append({
      channel,
      type,
      data,
      trace,
      ...(given === undefined ? {} : { id: given }),
      ...(expectedOffset === undefined ? {} : { expectedOffset }),
    }),
  )
  const { offset, epoch, time, duplicate } = appended
  return JSON.stringify({ offset, epoch, id: appended.id, time, duplicate })
}
