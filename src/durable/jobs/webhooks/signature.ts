import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'

const secretBytes = 32

/** A new secret for a webhook, in the form of Standard Webhooks. */
export function newWebhookSecret(): string {
  return `whsec_${randomBytes(secretBytes).toString('base64')}`
}

/**
 * The id by which a receiver tells a repetition: the same for one rule and one event, however often it is sent. No full
 * stop is in it, because full stops divide the parts of what is signed, and no colon, so that it can be a key or the id of a
 * job as it is.
 */
export function webhookId(rule: string, eventId: string): string {
  return `${rule}_${eventId}`
}

/**
 * The headers of Standard Webhooks over exactly this body. Every secret signs: while one replaces another, receivers
 * with either of them verify it.
 */
export function signatureHeaders(options: {
  readonly id: string
  /** Of this attempt: receivers refuse what is older than five minutes. */
  readonly time: Date
  readonly body: string
  readonly secrets: readonly string[]
}): Record<string, string> {
  const { id, time, body, secrets } = options
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(time.getTime() / 1000)),
    'webhook-signature': secrets.map(secret => new Webhook(secret).sign(id, time, body)).join(' '),
  }
}
