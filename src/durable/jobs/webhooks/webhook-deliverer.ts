import { HoldfastError } from '../../../domain/index.ts'
import { connectPostgres, type Logger, type WebhookConfig, webhookSecrets } from '../../../platform/index.ts'
import { done, park } from '../../groups/outcome.ts'
import { AnsweringPool } from '../../ledger/answering-pool.ts'
import type { DeliveredEvent, Deliverer, DeliveryAttempt, DeliveryOutcome } from '../deliverer.ts'
import { type Verdict, verdictOn } from './answer.ts'
import { disableEndpoint, endpointOf, recordFailure, recordSuccess } from './endpoints.ts'
import { createWebhookSender, type Webhook, type WebhookSender } from './webhook-sender.ts'

export interface WebhookDelivererOptions {
  /** Of Postgres, where the state of the endpoints is kept. */
  readonly url: string
  readonly logger: Logger
  /** By default one of its own. */
  readonly sender?: WebhookSender
  /** Where secrets come from that the configuration only names (default: the process's environment). */
  readonly env?: Readonly<Record<string, string | undefined>>
}

export interface WebhookDeliverer extends Deliverer {
  /**
   * Makes the webhook of a rule known, before its first delivery.
   * @throws HoldfastError CONFIG_INVALID where the environment lacks a secret
   */
  declare(rule: string, config: WebhookConfig): void
}

/** Each delivery asks once, and writes only where something has failed. */
const connections = 2
const statementMs = 5_000
const answerMs = 6_000
/** Another process may take it meanwhile. */
const interruptedMs = 1_000
/** Nothing was tried while Postgres could not be asked, so nothing is counted. */
const awayMs = 2_000
/** Spreads what was told to come back at the same time. */
const spread = 0.2

/**
 * Sends the events of rules to their webhooks, and keeps account of how the endpoints fare. At least once: a receiver
 * that has handled an event and could not say so gets it again, under the same `webhook-id`.
 */
export function createWebhookDeliverer(options: WebhookDelivererOptions): WebhookDeliverer {
  const { url, logger } = options
  const open = () =>
    connectPostgres(url, {
      max: connections,
      applicationName: 'holdfast-webhooks',
      statementTimeoutMs: statementMs,
      logger,
    })
  const rows = new AnsweringPool(open, { timeoutMs: answerMs, graceSeconds: 1 })
  const sender = options.sender ?? createWebhookSender()
  const webhooks = new Map<string, Webhook>()
  /** Until when an endpoint has asked to be left alone. */
  const quietUntil = new Map<string, number>()

  return {
    declare(rule, config) {
      webhooks.set(rule, { rule, config, ...webhookSecrets(config, options.env) })
    },
    async deliver(event, attempt) {
      const { rule } = attempt
      const webhook = webhooks.get(rule)
      if (!webhook) throw new HoldfastError('INTERNAL', `no webhook was declared for the rule ${rule}`)
      // Read each time: after an endpoint was enabled, nothing may be parked by what a process remembers.
      const before = await rows.run(sql => endpointOf(sql, rule)).catch(unknownEndpoint)
      if (before === 'unknown') return { kind: 'hold', afterMs: awayMs, reason: 'Postgres is away' }
      if (before && before.disabledAt !== null) return park(disabledReason(before.reason))
      const quietMs = (quietUntil.get(rule) ?? 0) - Date.now()
      if (quietMs > 0)
        return { kind: 'hold', afterMs: spreadOut(quietMs), reason: 'the endpoint asked to wait' }
      const verdict = await send(webhook, event, attempt)
      return outcomeOf(webhook, verdict, before?.failures ?? 0)
    },
    async close() {
      await sender.close()
      await rows.close()
    },
  }

  async function send(webhook: Webhook, event: DeliveredEvent, attempt: DeliveryAttempt): Promise<Verdict> {
    const { answer, hidden } = await sender.send(webhook, event, attempt.signal)
    return verdictOn(answer, Date.now(), hidden)
  }

  async function outcomeOf(webhook: Webhook, verdict: Verdict, failures: number): Promise<DeliveryOutcome> {
    const { rule } = webhook
    switch (verdict.kind) {
      case 'delivered':
        quietUntil.delete(rule)
        if (failures > 0) await recovered(rule)
        return done()
      case 'interrupted':
        return { kind: 'hold', afterMs: interruptedMs, reason: 'the process had to stop' }
      case 'gone':
        await rows.run(sql => recordFailure(sql, rule, verdict.reason))
        await disable(rule, verdict.reason)
        return park(disabledReason(verdict.reason))
      case 'failed':
        return failed(webhook, verdict)
    }
  }

  /** The event is delivered, whether this can be written or not; if not, the next success writes it. */
  async function recovered(rule: string): Promise<void> {
    try {
      await rows.run(sql => recordSuccess(sql, rule))
      logger.info({ rule }, 'the endpoint of a webhook answers again')
    } catch (err) {
      logger.warn({ err, rule }, 'could not record that a webhook answers again')
    }
  }

  async function failed(
    { rule, config }: Webhook,
    { reason, retryAfterMs }: Verdict & { kind: 'failed' },
  ): Promise<DeliveryOutcome> {
    const { failures, failingMs } = await rows.run(sql => recordFailure(sql, rule, reason))
    const { disableAfterMs: forMs, disableAfterFailures: times } = config
    if (forMs > 0 && failures >= times && failingMs >= forMs) {
      const why = `no success in ${duration(forMs)}; last: ${reason}`
      if (await disable(rule, why, { forMs, times })) return park(disabledReason(why))
    }
    if (retryAfterMs === undefined) return { kind: 'retry', reason }
    quietUntil.set(rule, Date.now() + retryAfterMs)
    return { kind: 'retry', afterMs: spreadOut(retryAfterMs), reason }
  }

  async function disable(rule: string, reason: string, ifFailing?: { forMs: number; times: number }) {
    const changed = await rows.run(sql => disableEndpoint(sql, { rule, reason, ifFailing }))
    if (changed) logger.error({ rule, reason }, 'a webhook was disabled: its endpoint keeps failing')
    return changed
  }
}

function unknownEndpoint(error: unknown): 'unknown' {
  if (error instanceof HoldfastError && error.code.startsWith('DEPENDENCY_')) return 'unknown'
  throw error
}

function disabledReason(reason: string | null): string {
  return `the webhook is disabled: ${reason ?? 'no reason given'}`
}

function spreadOut(ms: number): number {
  return Math.round(ms * (1 + Math.random() * spread))
}

function duration(ms: number): string {
  const units = [
    ['days', 86_400_000],
    ['hours', 3_600_000],
    ['minutes', 60_000],
    ['seconds', 1_000],
  ] as const
  const [name, size] = units.find(([, size]) => ms >= 2 * size) ?? ['ms', 1]
  return `${Math.floor(ms / size)} ${name}`
}
