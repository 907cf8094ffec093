import { channelPattern, HoldfastError } from '../../domain/index.ts'
import {
  isJobName,
  type RuleConfig,
  type RuleInput,
  ruleConfig,
  type WebhookConfig,
} from '../../platform/index.ts'

/** Where a rule's events go. */
export type RuleTarget =
  | { readonly kind: 'webhook'; readonly webhook: WebhookConfig }
  | { readonly kind: 'handler'; readonly handler: string }
  | { readonly kind: 'queue'; readonly queue: string; readonly prefix: string; readonly job: string | null }

/** A rule with its defaults filled in. */
export interface Rule {
  readonly name: string
  readonly channel: string
  /** Null: all. */
  readonly types: readonly string[] | null
  readonly target: RuleTarget
  readonly attempts: number
  readonly backoffMs: Backoff
  readonly concurrency: number
  readonly handlerTimeoutMs: number
}

export interface Backoff {
  readonly first: number
  readonly most: number
}

interface Defaults {
  readonly attempts: number
  readonly backoffMs: Backoff
}

/** A webhook's receiver may be down for a night; a handler of ours that fails ten times has a mistake in it. */
const defaults: Record<RuleTarget['kind'], Defaults> = {
  webhook: { attempts: 20, backoffMs: { first: 5_000, most: 3_600_000 } },
  handler: { attempts: 10, backoffMs: { first: 1_000, most: 300_000 } },
  queue: { attempts: 5, backoffMs: { first: 1_000, most: 300_000 } },
}

/** @throws HoldfastError CONFIG_INVALID */
export function ruleOf(name: string, definition: RuleInput): Rule {
  if (!isJobName(name)) {
    throw new HoldfastError('CONFIG_INVALID', `rule ${name}: expected a name of 1 to 64 of a-z, 0-9 and -`)
  }
  const result = ruleConfig.safeParse(definition)
  if (!result.success) {
    const issues = result.error.issues.map(issue => `${issue.path.join('.') || 'it'}: ${issue.message}`)
    throw new HoldfastError('CONFIG_INVALID', `rule ${name}: ${issues.join('; ')}`)
  }
  return configuredRule(name, result.data)
}

/** The rule of a configuration that has been checked. */
export function configuredRule(name: string, config: RuleConfig): Rule {
  const target = targetOf(config)
  const { attempts, backoffMs } = defaults[target.kind]
  const { type } = config.on
  return {
    name,
    channel: config.on.channel,
    types: type === '*' ? null : typeof type === 'string' ? [type] : type,
    target,
    attempts: config.attempts ?? attempts,
    backoffMs: config.backoffMs ?? backoffMs,
    concurrency: config.concurrency,
    handlerTimeoutMs: config.handlerTimeoutMs,
  }
}

function targetOf({ webhook, handler, queue }: RuleConfig): RuleTarget {
  if (webhook) return { kind: 'webhook', webhook }
  if (queue) return { kind: 'queue', queue: queue.name, prefix: queue.prefix, job: queue.job ?? null }
  return { kind: 'handler', handler: handler ?? '' }
}

/** What of a rule every node has to know; no addresses and no secrets. */
export interface RuleDefinition {
  readonly channel: string
  readonly types: readonly string[] | null
  readonly target: 'webhook' | 'handler' | 'queue'
  /** For `handler` its name, for `queue` the queue's. */
  readonly to?: string
  readonly queue?: { readonly name: string; readonly prefix: string; readonly job: string | null }
  readonly attempts: number
  readonly backoffMs: Backoff
}

export function definitionOf({ channel, types, target, attempts, backoffMs }: Rule): RuleDefinition {
  const common = { channel, types, target: target.kind, attempts, backoffMs }
  switch (target.kind) {
    case 'webhook':
      return common
    case 'handler':
      return { ...common, to: target.handler }
    case 'queue':
      return {
        ...common,
        to: target.queue,
        queue: { name: target.queue, prefix: target.prefix, job: target.job },
      }
  }
}

/** Whether a rule is for an event, wherever it lies in the ledger. */
export function matcherOf(
  definition: Pick<RuleDefinition, 'channel' | 'types'>,
): (event: { readonly channel: string; readonly type: string }) => boolean {
  const pattern = channelPattern(definition.channel)
  const types = definition.types && new Set(definition.types)
  return event => (types === null || types.has(event.type)) && pattern.match(event.channel) !== undefined
}
