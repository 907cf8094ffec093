/** The outbox: how much waits in it, and what becomes of events that the ledger cannot take. */
import { z } from 'zod'
import { HoldfastError } from '../../domain/index.ts'
import type { RefusedRow, RefusedSelection } from '../../durable/index.ts'
import { type ApiMethod, operationsOf } from './method.ts'
import { check, optional, optionalName } from './request.ts'

const maxIds = 10_000
const defaultPage = 100

const outboxParams = z.strictObject({
  after_id: optional(z.int().min(0)),
  limit: optional(z.int().min(1).max(1_000)),
})

export const outbox: ApiMethod = async (request, parts) => {
  const { after_id: after, limit = defaultPage } = check(outboxParams, request)
  const operations = operationsOf(parts).outbox
  const [{ waiting, oldestSeconds, refused }, rows] = await Promise.all([
    operations.status(),
    operations.refused({ after, limit }),
  ])
  return JSON.stringify({
    waiting,
    oldest_seconds: oldestSeconds,
    refused,
    rows: rows.map(rowJson),
    ...(rows.length === limit && { next_after_id: rows.at(-1)?.id }),
  })
}

const selectionFields = {
  ids: optional(z.array(z.int().min(1)).min(1).max(maxIds)),
  /** Everything that is refused now. */
  all: optional(z.literal(true)),
  /** Who does it, as the caller says; the key is what was checked. */
  actor: optionalName.transform(name => name ?? 'api'),
}
const reason = z.string().trim().min(1).max(500)
const retryParams = z.strictObject({ ...selectionFields, reason: optional(reason) })
const discardParams = z.strictObject({ ...selectionFields, reason })

export const retryOutbox: ApiMethod = async (request, parts) => {
  const { actor, reason, ...wanted } = check(retryParams, request)
  const changed = await operationsOf(parts).outbox.retry(selectionOf(wanted), { actor, reason })
  return JSON.stringify({ changed })
}

export const discardOutbox: ApiMethod = async (request, parts) => {
  const { actor, reason, ...wanted } = check(discardParams, request)
  const changed = await operationsOf(parts).outbox.discard(selectionOf(wanted), { actor, reason })
  return JSON.stringify({ changed })
}

/** @throws HoldfastError REQUEST_INVALID where nothing is selected, or by two ways */
function selectionOf({ ids, all }: { ids?: number[] | undefined; all?: true | undefined }): RefusedSelection {
  if ((ids === undefined) === (all === undefined)) {
    throw new HoldfastError('REQUEST_INVALID', 'expected ids, or all: true')
  }
  return ids ?? 'all'
}

function rowJson({ eventId, ...rest }: RefusedRow): Record<string, unknown> {
  return { ...rest, event_id: eventId }
}
