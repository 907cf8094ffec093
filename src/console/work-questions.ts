import { createOperations, type ParkedFilter } from '../durable/index.ts'
import type { Config, Sql } from '../platform/index.ts'
import type { ProjectionReport } from '../projections/index.ts'
import type { PostgresSource } from './postgres-source.ts'
import { partOf, SharedPart } from './shared-part.ts'
import type { NamespaceSwitches } from './switches.ts'
import type {
  GroupsAnswer,
  JobsAnswer,
  NamespacesAnswer,
  ParkedAnswer,
  ProjectionsAnswer,
} from './wire-work.ts'

export interface WorkQuestionParts {
  readonly postgres: PostgresSource
  readonly switches: NamespaceSwitches
  readonly namespaces: Config['namespaces']
  /** Channels with subscribers on this node. */
  readonly channels: () => ReadonlyMap<string, number>
  readonly namespaceOf: (channel: string) => string
  readonly projections: (sql: Sql) => Promise<readonly ProjectionReport[]>
  readonly actedAt: () => number
}

const mostSchedules = 500

/** How the work behind the log is: all of it is Postgres, and shown with its age where that is silent. */
export class WorkQuestions {
  readonly #parts: WorkQuestionParts
  readonly #projections: SharedPart<readonly ProjectionReport[]>
  readonly #groups: SharedPart<NonNullable<GroupsAnswer['groups']['value']>>
  readonly #rules: SharedPart<NonNullable<JobsAnswer['rules']['value']>>
  readonly #schedules: SharedPart<NonNullable<JobsAnswer['schedules']['value']>>
  readonly #webhooks: SharedPart<NonNullable<JobsAnswer['webhooks']['value']>>
  readonly #outbox: SharedPart<NonNullable<JobsAnswer['outbox']['value']>>

  constructor(parts: WorkQuestionParts) {
    this.#parts = parts
    const { postgres, projections, actedAt } = parts
    const shared = <T>(read: (sql: Sql) => Promise<T>) =>
      new SharedPart(() => postgres.ask(read), { changedAt: actedAt })
    this.#projections = shared(projections)
    this.#groups = shared(sql => createOperations(sql).groups.list())
    this.#rules = shared(sql => createOperations(sql).jobs.rules())
    this.#schedules = shared(
      async sql => (await createOperations(sql).jobs.schedules({ limit: mostSchedules })).schedules,
    )
    this.#webhooks = shared(sql => createOperations(sql).webhooks.list())
    this.#outbox = shared(sql => createOperations(sql).outbox.status())
  }

  async parked(
    filter: ParkedFilter,
    page: { after?: number | undefined; limit: number },
  ): Promise<ParkedAnswer> {
    const parked = await partOf('postgres', () =>
      this.#parts.postgres.ask(async sql => {
        const { deliveries, count, next } = await createOperations(sql).deliveries.list(filter, page)
        return { deliveries, count, next: next ?? null }
      }),
    )
    return { time: Date.now(), parked }
  }

  async projections(): Promise<ProjectionsAnswer> {
    return { time: Date.now(), projections: await this.#projections.get() }
  }

  async groups(): Promise<GroupsAnswer> {
    return { time: Date.now(), groups: await this.#groups.get() }
  }

  async jobs(): Promise<JobsAnswer> {
    const [rules, schedules, webhooks, outbox] = await Promise.all([
      this.#rules.get(),
      this.#schedules.get(),
      this.#webhooks.get(),
      this.#outbox.get(),
    ])
    const shown = schedules.value?.map(
      ({ name, act, channel, type, cron, zone, everySeconds, due, lastDue, failure, paused, resting }) => {
        return { name, act, channel, type, cron, zone, everySeconds, due, lastDue, failure, paused, resting }
      },
    )
    return { time: Date.now(), rules, schedules: { ...schedules, value: shown ?? null }, webhooks, outbox }
  }

  namespaces(): NamespacesAnswer {
    const { namespaces, switches, channels, namespaceOf, postgres } = this.#parts
    const uses = new Map<string, { channels: number; subscriptions: number }>()
    for (const [channel, subscriptions] of channels()) {
      const name = namespaceOf(channel)
      const use = uses.get(name) ?? { channels: 0, subscriptions: 0 }
      uses.set(name, { channels: use.channels + 1, subscriptions: use.subscriptions + subscriptions })
    }
    const views = Object.entries(namespaces).map(([name, { tier }]) => ({
      ...{ name, tier, readOnly: switches.readOnly.get(name) ?? null },
      ...(uses.get(name) ?? { channels: 0, subscriptions: 0 }),
    }))
    const at = switches.at ?? null
    return {
      time: Date.now(),
      namespaces: views.sort((a, b) => (a.name < b.name ? -1 : 1)),
      switches: {
        value: switches.readOnly.size,
        source: 'postgres',
        at,
        problem: postgres.state().problem ?? (at === null ? 'not read yet' : null),
      },
    }
  }
}
