import { z } from 'zod'
import { asHoldfastError, HoldfastError, isCanaryChannel, storable } from '../domain/index.ts'
import { createOperations, type Operations, type Preview, type Selection } from '../durable/index.ts'
import type { Cluster, Router } from '../gateway/index.ts'
import type { ProjectionOperations } from '../projections/index.ts'
import { breakerRoles } from '../resilience/index.ts'
import type { BulkActs } from './bulk-acts.ts'
import type { NodeConsole } from './node-console.ts'
import type { PostgresSource } from './postgres-source.ts'
import { plainText, selection } from './selection.ts'
import { writeSwitch } from './store.ts'
import { sendTestMessage, testMessage } from './test-message.ts'
import type { ActDone, BulkProgress, ParkedPreview, TestMessageSent } from './wire-work.ts'

export interface ActParts {
  readonly console: NodeConsole
  readonly postgres: PostgresSource
  readonly cluster: Cluster
  readonly router: Router
  readonly bulk: BulkActs
  readonly namespaces: Readonly<Record<string, unknown>>
  /** @throws HoldfastError NOT_AVAILABLE without Postgres */
  readonly operations: () => Operations
  /** @throws HoldfastError NOT_AVAILABLE without Postgres */
  readonly projections: () => ProjectionOperations
}

const name = plainText(1, 255)
const reason = plainText(0, 500).optional()

const wishes = {
  parked_act: z.strictObject({ preview: z.string().max(1_000_000), count: z.int().min(0), reason }),
  projection: z.strictObject({
    projection: name,
    act: z.enum(['rebuild', 'switch_back', 'pause', 'resume', 'drop']),
    version: z.int().min(1).optional(),
    build: z.int().min(1).optional(),
    reason,
  }),
  group: z.strictObject({ group: name, act: z.enum(['pause', 'resume']), reason }),
  schedule: z.strictObject({ schedule: name, act: z.enum(['pause', 'resume']), reason }),
  webhook: z.strictObject({ rule: name, act: z.enum(['enable', 'disable']), reason }),
  namespace: z.strictObject({ namespace: plainText(0, 255), readOnly: z.boolean(), reason }),
  breaker: z.strictObject({
    role: z.enum(breakerRoles),
    act: z.enum(['hold_passing', 'hold_rejecting', 'release']),
    reason,
  }),
  message: testMessage,
}
export const parkedWish = z.strictObject({ act: z.enum(['redrive', 'discard']), selection })

type Wishes = { readonly [Path in keyof typeof wishes]: z.output<(typeof wishes)[Path]> }

/** What an act is recorded as. */
interface Described {
  readonly act: string
  readonly target: string
  /** Recorded in the transaction that does it: where it is done, nothing is to be added. */
  readonly recordsItself?: boolean
}

/** What operators may do. Each leaves a row in the audit log, whether it succeeds or not. */
export class Acts {
  readonly #parts: ActParts
  #actedAt = Number.NEGATIVE_INFINITY

  constructor(parts: ActParts) {
    this.#parts = parts
  }

  /** When somebody has last acted over this node, by `performance.now`. */
  get actedAt(): number {
    return this.#actedAt
  }

  /** The body of an act, checked. @throws HoldfastError REQUEST_INVALID */
  static wish<Path extends keyof Wishes>(path: Path, body: unknown): Wishes[Path] {
    return checked(wishes[path] as unknown as z.ZodType<Wishes[Path]>, body)
  }

  async preview(body: unknown): Promise<ParkedPreview> {
    const { bulk } = this.#parts
    const wish = checked(parkedWish, body)
    return bulk.preview(wish.act, wish.selection, await this.#hits(wish.selection))
  }

  async parked(actor: string, wish: Wishes['parked_act']): Promise<BulkProgress> {
    const { bulk, console: node } = this.#parts
    const previewed = bulk.previewed(wish.preview)
    const target = `parked deliveries ${targetOf(previewed.selection)}`
    const described = { act: `${previewed.act}_parked`, target }
    return this.#recorded(actor, wish.reason, { ...described, recordsItself: true }, async () => {
      const { count } = await this.#hits({ ...previewed.selection, at: previewed.at })
      const by = { actor, reason: wish.reason ?? '' }
      return bulk.begin(previewed, { count: wish.count, now: count }, by, ({ progress }) => {
        this.#actedAt = performance.now()
        const { changed, total, problem } = progress
        const outcome = problem === null ? `done: ${changed} of ${total}` : `failed: ${problem}`
        node.record({ actor, ...described, reason: wish.reason ?? null, outcome })
      })
    })
  }

  async projection(actor: string, wish: Wishes['projection']): Promise<ActDone> {
    const { projection, act, version, build } = wish
    const by = { actor, reason: wish.reason }
    const target = `projection ${projection}`
    return this.#recorded(
      actor,
      wish.reason,
      { act: `${act}_projection`, target, recordsItself: true },
      async () => {
        const operations = this.#parts.projections()
        switch (act) {
          case 'rebuild': {
            const made = await operations.rebuild(projection, by, version)
            return done(`Build ${made.build} of ${projection} (version ${made.version}) is being made.`)
          }
          case 'switch_back':
            await operations.switchBack(projection, by)
            return done(`Readers see the build of ${projection} again that they saw before.`)
          case 'drop':
            if (build === undefined) throw new HoldfastError('REQUEST_INVALID', 'build: which one to drop')
            await operations.drop(projection, build, by)
            return done(`Build ${build} of ${projection} is gone.`)
          default: {
            const { changed } = await operations[act](projection, by)
            return { says: `${projection} ${act === 'pause' ? 'stands still' : 'goes on'}.`, changed }
          }
        }
      },
    )
  }

  async group(actor: string, { group, act, reason: why }: Wishes['group']): Promise<ActDone> {
    const described = { act: `${act}_group`, target: `group ${group}`, recordsItself: true }
    return this.#recorded(actor, why, described, async () => {
      const { changed } = await this.#parts.operations().groups[act](group, { actor, reason: why })
      return { says: `${group} ${act === 'pause' ? 'is frozen within a second' : 'goes on'}.`, changed }
    })
  }

  async schedule(actor: string, { schedule, act, reason: why }: Wishes['schedule']): Promise<ActDone> {
    const described = { act: `${act}_schedule`, target: `schedule ${schedule}`, recordsItself: true }
    return this.#recorded(actor, why, described, async () => {
      const jobs = this.#parts.operations().jobs
      const { changed } = await jobs[act === 'pause' ? 'pauseSchedule' : 'resumeSchedule'](schedule, {
        actor,
        reason: why,
      })
      return { says: `${schedule} ${act === 'pause' ? 'does not happen' : 'happens again'}.`, changed }
    })
  }

  async webhook(actor: string, { rule, act, reason: why = '' }: Wishes['webhook']): Promise<ActDone> {
    const described = { act: `${act}_webhook`, target: rule, recordsItself: true }
    return this.#recorded(actor, why, described, async () => {
      if (act === 'disable' && why.trim() === '')
        throw new HoldfastError('REQUEST_INVALID', 'reason: disabling a webhook needs one')
      const { webhooks } = this.#parts.operations()
      const change = await (act === 'enable'
        ? webhooks.enable(rule, { actor })
        : webhooks.disable(rule, { actor, reason: why }))
      if (change.kind === 'unknown')
        throw new HoldfastError('REQUEST_INVALID', `there is no webhook ${rule.slice(0, 80)}`)
      const parked = change.kind === 'changed' ? ` ${change.parked} of its deliveries are parked.` : ''
      return { says: `${rule} is ${act}d.${parked}`, changed: change.kind === 'changed' }
    })
  }

  async namespace(actor: string, wish: Wishes['namespace']): Promise<ActDone> {
    const { namespace, readOnly, reason: why } = wish
    const { console: node, postgres, namespaces } = this.#parts
    const act = readOnly ? 'make_read_only' : 'make_writable'
    return this.#recorded(
      actor,
      why,
      { act, target: `namespace ${namespace}`, recordsItself: true },
      async () => {
        if (readOnly && !Object.hasOwn(namespaces, namespace))
          throw new HoldfastError(
            'REQUEST_INVALID',
            `the namespace ${JSON.stringify(namespace)} is not declared`,
          )
        if (readOnly && isCanaryChannel(`${namespace}:`))
          throw new HoldfastError(
            'REQUEST_INVALID',
            'canaries without their namespace would say that nothing is delivered; `prober.enabled` switches them off',
          )
        const change = { namespace, readOnly, by: actor, reason: why ?? null }
        const changed = await postgres.run(sql => writeSwitch(sql, change))
        await node.switchesChanged()
        const says = readOnly ? 'takes no publications any more' : 'takes publications again'
        return { says: `${namespace} ${says}, on every node within seconds.`, changed }
      },
    )
  }

  async breaker(actor: string, { role, act, reason: why }: Wishes['breaker']): Promise<ActDone> {
    return this.#recorded(actor, why, { act: `${act}_breaker`, target: `breaker ${role}` }, async () => {
      const { nodes, silent } = await this.#parts.cluster.actOnBreaker(
        act === 'release'
          ? { act: 'release', role, by: actor }
          : { act: 'hold', role, as: act === 'hold_passing' ? 'passing' : 'rejecting', by: actor },
      )
      const unsure = silent.length === 0 ? '' : ` ${silent.length} did not answer.`
      return done(`${role}: ${act.replace('_', ' ')} on ${nodes.length} node(s).${unsure}`)
    })
  }

  async message(actor: string, wish: Wishes['message']): Promise<TestMessageSent> {
    return this.#recorded(actor, undefined, { act: 'send_test', target: `channel ${wish.channel}` }, () =>
      sendTestMessage(this.#parts.router, wish),
    )
  }

  #hits(selected: Selection): Promise<Preview> {
    return this.#parts.postgres.ask(sql => createOperations(sql).deliveries.preview(selected))
  }

  async #recorded<T>(
    actor: string,
    why: string | undefined,
    { act, target, recordsItself = false }: Described,
    doIt: () => Promise<T>,
  ): Promise<T> {
    const note = (outcome: string) =>
      this.#parts.console.record({ actor, act, target, reason: why ?? null, outcome })
    try {
      const result = await inTime(doIt())
      if (!recordsItself) note('done')
      return result
    } catch (thrown) {
      const error = asHoldfastError(thrown)
      const how = error.remedy === 'retry_later' ? 'failed' : 'refused'
      note(storable(`${how}: ${error.message}`, 500))
      throw error
    } finally {
      this.#actedAt = performance.now()
      void this.#parts.console.syncNow()
    }
  }
}

/** An act may wait for a lock; above this nobody knows what became of it. */
const actMs = 10_000

async function inTime<T>(act: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const message = `no answer for ${actMs} ms: whether it was done is unknown, look before you repeat it`
  const timer = setTimeout(() => reject(new HoldfastError('DEPENDENCY_TIMEOUT', message)), actMs)
  try {
    return await Promise.race([act, promise])
  } finally {
    clearTimeout(timer)
  }
}

/** @throws HoldfastError REQUEST_INVALID */
export function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const says = result.error.issues
    .map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
    .join('; ')
  throw new HoldfastError('REQUEST_INVALID', says)
}

function done(says: string): ActDone {
  return { says, changed: true }
}

function targetOf(selected: z.output<typeof selection>): string {
  if ('ids' in selected)
    return selected.ids.length === 1 ? String(selected.ids[0]) : `${selected.ids.length} by id`
  return JSON.stringify(selected.filter)
}
