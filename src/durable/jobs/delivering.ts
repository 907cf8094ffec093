import { channelPattern, type StoredEvent } from '../../domain/index.ts'
import type { Logger } from '../../platform/index.ts'
import { annotate, spanAttributes } from '../../tracing/index.ts'
import { groupSettings } from '../groups/settings.ts'
import type { Turns } from '../groups/turn.ts'
import type { Handler } from '../groups/types.ts'
import type { AnsweringPool } from '../ledger/answering-pool.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Deliverer, DeliveryOutcome } from './deliverer.ts'
import { endOfAttempt } from './delivery-end.ts'
import { type DeliveryChange, type OpenDelivery, openDelivery, settle } from './delivery-rows.ts'
import { eventAt, placeOf } from './enqueue.ts'
import type { JobCounts } from './job-counts.ts'
import type { JobEnd } from './job-worker.ts'
import type { Rule } from './rule.ts'

export interface DeliveringParts {
  readonly rows: AnsweringPool
  /** The transactions of handlers. */
  readonly turns: Turns
  readonly ledger: Ledger
  readonly webhooks: Deliverer
  readonly counts: JobCounts
  readonly logger: Logger
}

/** Postgres is away, or a row is locked for longer than a statement may take: the job comes again. */
const awayMs = 2_000
/** Timers are not exact; what comes earlier than this was enqueued by a clock that is wrong, or again without its delay. */
const earlyToleranceMs = 250

/**
 * Makes deliveries. The row in Postgres is the truth: it says whether there is still anything to do, how often it was tried,
 * and when it is due; the job is only what wakes a worker. So a job that comes twice does nothing, and one that
 * is lost can be made again.
 */
export class Delivering {
  readonly #parts: DeliveringParts

  constructor(parts: DeliveringParts) {
    this.#parts = parts
  }

  /** Works on one job of a rule. */
  async work(
    rule: Rule,
    handler: Handler | undefined,
    data: unknown,
    stopping: AbortSignal,
  ): Promise<JobEnd> {
    const { rows, counts, logger } = this.#parts
    const place = placeOf(data)
    if (!place || place.rule !== rule.name) return 'ended'
    try {
      const delivery = await rows.run(sql => openDelivery(sql, place))
      if (!delivery) {
        counts.count(rule.name, 'suppressed')
        return 'ended'
      }
      if (delivery.earlyMs > earlyToleranceMs) return { afterMs: delivery.earlyMs }
      annotate({
        [spanAttributes.rule]: rule.name,
        [spanAttributes.message]: place.id,
        [spanAttributes.attempt]: delivery.attempts + 1,
      })
      const event = await eventAt(this.#parts.ledger, place)
      if (!event) return await this.#gone(rule, delivery)
      if (handler) return await this.#handle(rule, handler, delivery, event, stopping)
      const outcome = await this.#deliver(rule, delivery, event, stopping)
      return await this.#settle(rule, delivery, outcome)
    } catch (error) {
      logger.warn({ err: error, rule: rule.name }, 'a delivery could not be worked on; it comes again')
      return { afterMs: awayMs }
    }
  }

  /** A job that failed by itself: the processes that worked on it were killed, or its lock was lost, again and again. */
  async failed(rule: Rule, data: unknown, reason: string): Promise<void> {
    const { rows, logger } = this.#parts
    const place = placeOf(data)
    if (!place || place.rule !== rule.name) return
    try {
      const delivery = await rows.run(sql => openDelivery(sql, place))
      // Its next job is made by the reconciler when it is due: here, the old one is not gone yet.
      if (delivery) await this.#settle(rule, delivery, { kind: 'retry', reason: `no answer: ${reason}` })
    } catch (error) {
      logger.warn({ err: error, rule: rule.name }, 'a failed job could not be recorded')
    }
  }

  async #deliver(
    rule: Rule,
    delivery: OpenDelivery,
    event: StoredEvent,
    signal: AbortSignal,
  ): Promise<DeliveryOutcome> {
    const { ledger, webhooks } = this.#parts
    const { meta, ...rest } = event
    try {
      return await webhooks.deliver(
        { ...rest, epoch: ledger.epoch, info: meta },
        {
          rule: rule.name,
          deliveryId: delivery.deliveryId,
          attempt: delivery.attempts + 1,
          maxAttempts: rule.attempts,
          signal,
        },
      )
    } catch (error) {
      return { kind: 'retry', reason: error instanceof Error ? error.message : String(error) }
    }
  }

  async #handle(
    rule: Rule,
    handler: Handler,
    delivery: OpenDelivery,
    event: StoredEvent,
    stopping: AbortSignal,
  ): Promise<JobEnd> {
    const { partition, position, id, attempts } = delivery
    const result = await this.#parts.turns.run({
      settings: groupSettings(rule.name, {
        maxAttempts: rule.attempts,
        retryMs: rule.backoffMs,
        handlerTimeoutMs: rule.handlerTimeoutMs,
      }),
      epoch: this.#parts.ledger.epoch,
      items: [
        {
          event,
          attempt: attempts + 1,
          route: {
            handling: { kind: 'each', handler },
            params: channelPattern(rule.channel).match(event.channel) ?? {},
          },
        },
      ],
      settle: tx => [
        tx`select holdfast.end_job(${rule.name}, ${partition}, ${position}, ${id}::uuid, ${attempts})`.execute(),
      ],
      signal: stopping,
    })
    switch (result.kind) {
      case 'settled':
      case 'lost':
        annotate({ [spanAttributes.outcome]: result.kind === 'lost' ? 'suppressed' : 'done' })
        this.#parts.counts.count(rule.name, result.kind === 'lost' ? 'suppressed' : 'done')
        return 'ended'
      case 'failed':
        return this.#settle(rule, delivery, result.failure)
      case 'unavailable':
        throw result.error
      case 'aborted':
        return { afterMs: 0 }
    }
  }

  async #settle(rule: Rule, delivery: OpenDelivery, outcome: DeliveryOutcome): Promise<JobEnd> {
    const change = this.#changeOf(rule, delivery, outcome)
    const settled = await this.#parts.rows.run(sql => settle(sql, delivery, change))
    if (!settled) {
      this.#parts.counts.count(rule.name, 'suppressed')
      return 'ended'
    }
    const held = outcome.kind === 'hold'
    annotate({ [spanAttributes.outcome]: held ? 'held' : change.state })
    this.#parts.counts.count(
      rule.name,
      change.state === 'queued' ? (held ? 'held' : 'retried') : change.state,
    )
    if (change.state === 'parked') {
      const { deliveryId, id } = delivery
      this.#parts.logger.error(
        { rule: rule.name, delivery: deliveryId, event: id, reason: change.reason },
        'a delivery was parked',
      )
    }
    return change.state === 'queued' ? { afterMs: change.afterMs } : 'ended'
  }

  async #gone(rule: Rule, delivery: OpenDelivery): Promise<JobEnd> {
    const change: DeliveryChange = {
      state: 'discarded',
      attempts: delivery.attempts,
      reason: 'its event is not in the ledger any more',
      afterMs: 0,
    }
    if (await this.#parts.rows.run(sql => settle(sql, delivery, change)))
      this.#parts.counts.count(rule.name, 'discarded')
    return 'ended'
  }

  #changeOf(rule: Rule, { attempts }: OpenDelivery, outcome: DeliveryOutcome): DeliveryChange {
    return endOfAttempt(outcome, { attempts, maxAttempts: rule.attempts, backoffMs: rule.backoffMs })
  }
}
