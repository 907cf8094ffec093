import type { WebhookConfig, WebhookSecrets } from '../../../platform/index.ts'
import type { DeliveredEvent } from '../deliverer.ts'
import type { Answer } from './answer.ts'
import { cloudEvent } from './cloud-event.ts'
import { type Resolve, systemResolve, webhookAgent } from './connector.ts'
import { post } from './post.ts'
import { endPost, postSpan } from './post-span.ts'
import { signatureHeaders, webhookId } from './signature.ts'

/** The webhook of a rule, with the secrets that its configuration may only name. */
export interface Webhook extends WebhookSecrets {
  readonly rule: string
  readonly config: WebhookConfig
}

export interface Sent {
  /** The `webhook-id` it was sent under. */
  readonly id: string
  readonly answer: Answer
  /** What must be kept out of every text about it, should the receiver have repeated it. */
  readonly hidden: readonly string[]
}

export interface WebhookSender {
  /** One signed request with its redirects. Never throws; `signal` ends it early. */
  send(webhook: Webhook, event: DeliveredEvent, signal: AbortSignal): Promise<Sent>
  close(): Promise<void>
}

/** @param resolve how names are resolved (default: as the machine does) */
export function createWebhookSender(resolve: Resolve = systemResolve, userAgent = 'Holdfast'): WebhookSender {
  const agents = { guarded: webhookAgent(resolve, false), open: webhookAgent(resolve, true) }
  return {
    async send(webhook, event, signal) {
      const { config, secrets, headers, rule } = webhook
      const source = config.source ?? `/holdfast/${event.epoch}`
      const message = cloudEvent(event, { contentMode: config.contentMode, source })
      const id = webhookId(rule, event.id)
      const signature = signatureHeaders({
        id,
        time: new Date(),
        body: message.body,
        secrets,
      })
      const span = postSpan(rule, event, config.url)
      const answer = await post({
        ...config,
        body: message.body,
        headers: { ...message.headers, ...signature, ...(span && { traceparent: span.traceparent }) },
        ownHeaders: lowerCased(headers),
        userAgent,
        dispatcher: config.allowPrivate ? agents.open : agents.guarded,
        signal,
      })
      endPost(span, answer)
      return { id, answer, hidden: hiddenOf(webhook) }
    },
    async close() {
      await Promise.all([agents.guarded.destroy(), agents.open.destroy()])
    },
  }
}

/** So that one of the rule's own names never stands beside the same of ours. */
function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

/** A path or a query may be as good as a key, and error pages like to repeat them. */
function hiddenOf({ config, secrets, headers }: Webhook): string[] {
  const { pathname, search } = new URL(config.url)
  const keys = secrets.map(secret => secret.slice('whsec_'.length))
  // A scheme in front of a key (`Bearer …`) need not come back with it.
  const values = Object.values(headers).flatMap(value => [value, ...value.split(/\s+/)])
  return [...keys, ...values, pathname + search, pathname, search]
}
