import { newEventId } from '../../../domain/index.ts'
import { type WebhookConfig, webhookSecrets } from '../../../platform/index.ts'
import { verdictOn } from './answer.ts'
import { createWebhookSender } from './webhook-sender.ts'

/** What a receiver made of a trial. */
export interface WebhookTrial {
  readonly delivered: boolean
  /** Null where no answer came. */
  readonly status: number | null
  /** Why it would not count as delivered. */
  readonly reason: string | null
  readonly ms: number
  /** The `webhook-id` of it, by which the receiver's log knows it. */
  readonly id: string
}

/**
 * Sends a signed event of the type `holdfast.test` to a webhook as events are sent to it. It is recorded nowhere, and says
 * nothing about the endpoint's health.
 * @throws HoldfastError CONFIG_INVALID where the environment lacks a secret
 */
export async function tryWebhook(
  rule: string,
  config: WebhookConfig,
  env?: Readonly<Record<string, string | undefined>>,
): Promise<WebhookTrial> {
  const webhook = { rule, config, ...webhookSecrets(config, env) }
  const sender = createWebhookSender()
  const started = performance.now()
  try {
    const event = {
      id: newEventId(),
      type: 'holdfast.test',
      channel: 'holdfast:test',
      offset: 0,
      partition: 0,
      position: 0,
      epoch: 'test',
      time: Date.now(),
      data: JSON.stringify({ rule }),
      info: null,
    }
    const { answer, hidden, id } = await sender.send(webhook, event, new AbortController().signal)
    const verdict = verdictOn(answer, Date.now(), hidden)
    return {
      delivered: verdict.kind === 'delivered',
      status: answer.kind === 'answered' ? answer.status : null,
      reason: 'reason' in verdict ? verdict.reason : null,
      ms: Math.round(performance.now() - started),
      id,
    }
  } finally {
    await sender.close()
  }
}
