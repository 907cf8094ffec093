/** Endpoints of webhooks: how they fare, and who may get events again. */
import { z } from 'zod'
import { HoldfastError } from '../../domain/index.ts'
import type { WebhookChange, WebhookStatus } from '../../durable/index.ts'
import { type ApiMethod, operationsOf } from './method.ts'
import { check, optionalName } from './request.ts'

const rule = z.string().min(1).max(64)
/** Who does it, as the caller says; the key is what was checked. */
const actor = optionalName.transform(name => name ?? 'api')

export const webhooks: ApiMethod = async (request, parts) => {
  check(z.strictObject({}), request)
  const found = await operationsOf(parts).webhooks.list()
  return JSON.stringify({ webhooks: found.map(webhookJson) })
}

export const enableWebhook: ApiMethod = async (request, parts) => {
  const params = check(z.strictObject({ rule, actor }), request)
  const change = await operationsOf(parts).webhooks.enable(params.rule, { actor: params.actor })
  return changeJson(params.rule, change)
}

const disableParams = z.strictObject({ rule, actor, reason: z.string().trim().min(1).max(500) })

export const disableWebhook: ApiMethod = async (request, parts) => {
  const { rule, actor, reason } = check(disableParams, request)
  return changeJson(rule, await operationsOf(parts).webhooks.disable(rule, { actor, reason }))
}

/** @throws HoldfastError REQUEST_INVALID where no worker has declared such a webhook */
function changeJson(rule: string, change: WebhookChange): string {
  if (change.kind === 'unknown')
    throw new HoldfastError('REQUEST_INVALID', `rule: there is no webhook ${rule}`)
  return JSON.stringify(
    change.kind === 'changed' ? { changed: true, parked: change.parked } : { changed: false },
  )
}

function webhookJson({ failingSince, disabledAt, ...rest }: WebhookStatus): Record<string, unknown> {
  return { ...rest, failing_since: failingSince, disabled_at: disabledAt }
}
