import type { Logger } from '../../platform/index.ts'
import { activeTrace, untraced } from '../../tracing/index.ts'
import type { Handler, HandlerContext, HandlerEvent } from '../groups/types.ts'
import { owe } from './delivery-rows.ts'
import { type Enqueued, type Enqueuer, erasedType } from './enqueue.ts'
import { matcherOf, type RuleDefinition } from './rule.ts'
import { rulesInTurn, type TurnRule } from './rule-rows.ts'

/** Deliveries that wait to be put into their queues together. */
interface Waiting {
  readonly definition: RuleDefinition
  readonly rows: NewlyOwed[]
}

interface NewlyOwed extends Enqueued {
  /** Milliseconds since 1970. */
  readonly since: number
}

/** So many jobs go to Redis in one call. */
const bulk = 500
/**
 * What an application works on by itself is enqueued so soon after its commit, or else by the reconciler: it may have been
 * enqueued there, worked on and removed, while this process was stopped.
 */
const freshMs = 2_000
/** Of one rule, while a call is under way; those above it are left to the reconciler. */
const maxWaiting = 10_000

/**
 * Turns events into deliveries: the rows in the transaction that settles the event for the group, the jobs after its commit.
 * What the process loses in between, the reconciler enqueues.
 */
export class Matching {
  readonly #enqueuer: Enqueuer
  readonly #logger: Logger
  readonly #turns = new WeakMap<object, Map<number, Promise<TurnRule[]>>>()
  readonly #waiting = new Map<string, Waiting>()
  /** Compiled once for each definition. */
  readonly #matchers = new Map<string, ReturnType<typeof matcherOf>>()
  #flushing: Promise<void> | undefined

  constructor(enqueuer: Enqueuer, logger: Logger) {
    this.#enqueuer = enqueuer
    this.#logger = logger
  }

  readonly handle: Handler = async (event, context) => {
    if (event.type === erasedType) return
    const rules = await this.#rulesOf(context, event.partition)
    const applying = rules.filter(rule => isAfter(rule, event) && this.#matcher(rule)(event))
    if (applying.length === 0) return
    owe(
      context.tx,
      applying.map(rule => rule.name),
      event,
    )
    this.#afterCommit(context, applying, event)
  }

  #afterCommit(context: HandlerContext, rules: readonly TurnRule[], event: HandlerEvent): void {
    const { partition, position, id } = event
    // Of the transaction, which may have been made for other events.
    const trace = event.traceparent === undefined ? undefined : activeTrace()
    context.afterCommit(() => {
      for (const rule of rules) {
        const waiting = this.#waiting.get(rule.name) ?? { definition: rule, rows: [] }
        if (waiting.rows.length >= maxWaiting) continue
        waiting.rows.push({ rule: rule.name, partition, position, id, earlyMs: 0, since: Date.now(), trace })
        this.#waiting.set(rule.name, waiting)
      }
      this.#flushing ??= untraced(() => this.#flush())
    })
  }

  /** While one call is under way, what comes meanwhile collects for the next. */
  async #flush(): Promise<void> {
    // If it ended before its promise is noted in `#flushing`, it would count as under way for ever.
    await null
    try {
      for (;;) {
        const [next] = this.#waiting
        if (!next) return
        if (!this.#enqueuer.reachable) return this.#waiting.clear()
        const [rule, { definition, rows }] = next
        this.#waiting.delete(rule)
        for (let i = 0; i < rows.length; i += bulk) {
          const next = rows.slice(i, i + bulk)
          const fresh = definition.queue ? next.filter(({ since }) => Date.now() - since < freshMs) : next
          await this.#enqueuer.add(rule, definition, fresh)
        }
      }
    } catch (error) {
      // Their rows are there; the reconciler finds them when Redis is back.
      this.#waiting.clear()
      this.#logger.debug({ err: error }, 'jobs could not be enqueued at once')
    } finally {
      this.#flushing = undefined
    }
  }

  #matcher(rule: TurnRule): ReturnType<typeof matcherOf> {
    const key = JSON.stringify([rule.channel, rule.types])
    const known = this.#matchers.get(key)
    if (known) return known
    const matcher = this.#compiled(rule)
    this.#matchers.set(key, matcher)
    return matcher
  }

  /** A pattern of a later version's that this one can't read must not end all rules. */
  #compiled(rule: TurnRule): ReturnType<typeof matcherOf> {
    try {
      return matcherOf(rule)
    } catch (error) {
      this.#logger.error({ err: error, rule: rule.name }, 'a rule cannot be read by this process')
      return () => false
    }
  }

  #rulesOf({ turn, tx }: HandlerContext, partition: number): Promise<TurnRule[]> {
    const known = this.#turns.get(turn) ?? new Map<number, Promise<TurnRule[]>>()
    this.#turns.set(turn, known)
    const rules = known.get(partition) ?? rulesInTurn(tx, partition)
    known.set(partition, rules)
    return rules
  }
}

/** A rule of another epoch is older than everything that is recorded in this one. */
function isAfter(rule: TurnRule, event: HandlerEvent): boolean {
  return event.epoch !== rule.epoch || event.position > rule.start
}
