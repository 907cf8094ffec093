/** Parked deliveries and erasure: what operators see and decide. */
import { z } from 'zod'
import { HoldfastError } from '../../domain/index.ts'
import type { Changed, ParkedFilter, Selection } from '../../durable/index.ts'
import { deliveryJson, inspectionJson, previewJson, storyJson } from './delivery-json.ts'
import { type ApiMethod, operationsOf } from './method.ts'
import { check, optional, optionalName } from './request.ts'

const maxIds = 10_000
const defaultPage = 100
const id = z.int().min(1)
const offset = z.int().min(1)

/** Who does it, as the caller says; the key is what was checked. */
const actor = optionalName.transform(name => name ?? 'api')

const filterFields = {
  consumer: optionalName,
  channel: optionalName,
  namespace: optional(z.string()),
  type: optionalName,
  reason: optionalName,
  older_than_seconds: optional(z.int().min(0)),
  newer_than_seconds: optional(z.int().min(0)),
}

/** Strict, as all that follow: a misspelt filter would hit everything. */
const parkedParams = z.strictObject({
  ...filterFields,
  after_id: optional(z.int().min(0)),
  limit: optional(z.int().min(1).max(1_000)),
})

export const parked: ApiMethod = async (request, parts) => {
  const { after_id, limit = defaultPage, ...filter } = check(parkedParams, request)
  const page = await operationsOf(parts).deliveries.list(filterOf(filter), { after: after_id, limit })
  const { deliveries, count, next } = page
  return JSON.stringify({ deliveries: deliveries.map(deliveryJson), count, next_after_id: next })
}

export const inspectDelivery: ApiMethod = async (request, parts) => {
  const params = check(z.strictObject({ id }), request)
  const found = await operationsOf(parts).deliveries.inspect(params.id)
  if (!found) throw new HoldfastError('REQUEST_INVALID', `there is no delivery ${params.id} (any more)`)
  return inspectionJson(found)
}

const selectionFields = {
  ids: optional(z.array(id).min(1).max(maxIds)),
  ...filterFields,
  /** Every parked delivery there is. */
  all: optional(z.literal(true)),
  /** Only says what would be hit; what is selected by a filter is only shown until `false` is said. */
  preview: optional(z.boolean()),
  actor,
}
const redriveParams = z.strictObject({
  ...selectionFields,
  /** With `channel`: in its order, the first open delivery of each ordered consumer is set free. */
  in_order: optional(z.boolean()),
})

export const redrive: ApiMethod = async (request, parts) => {
  const { in_order, actor: by, ...wanted } = check(redriveParams, request)
  const { deliveries } = operationsOf(parts)
  const selection = selectionOf(wanted)
  if (isPreview(wanted, selection)) return JSON.stringify(previewJson(await deliveries.preview(selection)))
  if (!in_order) return changedJson(await deliveries.redrive(selection, { actor: by }))
  const { channel, consumer, ...rest } = wanted
  if (channel === undefined || Object.entries(rest).some(([k, v]) => k !== 'preview' && v !== undefined)) {
    throw new HoldfastError('REQUEST_INVALID', 'in_order: expected a channel, and beside it a consumer only')
  }
  return JSON.stringify(await deliveries.redriveChannel(channel, { actor: by, consumer }))
}

const discardParams = z.strictObject({
  ...selectionFields,
  /** Why they are discarded. Of the filter, `reason_contains` is why they were parked. */
  reason: z.string().trim().min(1).max(500),
  reason_contains: optionalName,
})

export const discard: ApiMethod = async (request, parts) => {
  const { actor: by, reason, reason_contains, ...wanted } = check(discardParams, request)
  const { deliveries } = operationsOf(parts)
  const filtered = { ...wanted, reason: reason_contains }
  const selection = selectionOf(filtered)
  if (isPreview(wanted, selection)) return JSON.stringify(previewJson(await deliveries.preview(selection)))
  return changedJson(await deliveries.discard(selection, { actor: by, reason }))
}

const storyParams = z.union([
  z.strictObject({ event: z.uuid() }),
  z.strictObject({ channel: z.string().min(1), offset }),
])

export const deliveries: ApiMethod = async (request, parts) => {
  const params = check(storyParams, request)
  const event = 'event' in params ? { id: params.event } : params
  const stories = await operationsOf(parts).deliveries.ofEvent(event)
  return JSON.stringify({ events: stories.map(storyJson) })
}

const eraseParams = z
  .strictObject({
    channel: z.string().min(1),
    offset: optional(offset),
    id: optional(z.uuid()),
    reason: z.string().trim().min(1).max(500),
    actor,
  })
  .refine(params => (params.offset === undefined) !== (params.id === undefined), {
    message: 'expected offset or id',
    path: ['offset'],
  })

export const erase: ApiMethod = async (request, parts) => {
  const { channel, offset: at, id: eventId, reason, actor: by } = check(eraseParams, request)
  const event = at === undefined ? { id: eventId ?? '' } : { offset: at }
  return JSON.stringify(await operationsOf(parts).erasure.erase({ channel, event, reason, actor: by }))
}

type Wanted = Omit<FilterParams, 'reason'> & {
  reason?: string | undefined
  ids?: number[] | undefined
  all?: true | undefined
  preview?: boolean | undefined
}
type FilterParams = { [K in keyof typeof filterFields]?: z.output<(typeof filterFields)[K]> }

/** @throws HoldfastError REQUEST_INVALID where nothing is selected, or by two ways */
function selectionOf({ ids, all, preview: _, ...filter }: Wanted): Selection {
  const filters = Object.values(filter).filter(value => value !== undefined).length
  const ways = [ids !== undefined, all === true, filters > 0].filter(Boolean).length
  if (ways !== 1) throw new HoldfastError('REQUEST_INVALID', 'expected ids, a filter, or all: true')
  return ids === undefined ? { filter: filterOf(filter) } : { ids }
}

function isPreview({ preview }: { preview?: boolean | undefined }, selection: Selection): boolean {
  return preview ?? 'filter' in selection
}

function filterOf({ older_than_seconds, newer_than_seconds, ...rest }: FilterParams): ParkedFilter {
  return { ...rest, olderThanSeconds: older_than_seconds, newerThanSeconds: newer_than_seconds }
}

function changedJson({ changed, notParked }: Changed): string {
  return JSON.stringify({ changed, not_parked: notParked })
}
