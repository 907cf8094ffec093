import type { FastifyInstance } from 'fastify'
import { HoldfastError, namespaceOf } from '../domain/index.ts'
import { createOperations, type OpenTier, type Operations } from '../durable/index.ts'
import type { ClientAddress, Cluster, NodeIdentity, Router, SocketServer } from '../gateway/index.ts'
import type { Config, Logger, Sql } from '../platform/index.ts'
import { type ProjectionOperations, projectionOperations } from '../projections/index.ts'
import type { Breakers } from '../resilience/index.ts'
import type { ConsoleAccess } from './access.ts'
import { Acts } from './acts.ts'
import { BulkActs } from './bulk-acts.ts'
import type { ControlLine } from './bus-line.ts'
import { watchChanges } from './changes.ts'
import { configDigest } from './config-digest.ts'
import { NodeConsole } from './node-console.ts'
import { PostgresSource } from './postgres-source.ts'
import { Questions } from './questions.ts'
import { minutesTopic } from './rate-series.ts'
import type { NodeReadings } from './readings.ts'
import { RecentKeys } from './recent-keys.ts'
import { addConsoleRoutes } from './routes.ts'
import type { Sampler } from './sampler.ts'
import type { NamespaceSwitches } from './switches.ts'
import { TopSurvey } from './top.ts'
import { WorkQuestions } from './work-questions.ts'

export interface ConsoleParts {
  readonly config: Config
  readonly node: NodeIdentity
  readonly line: ControlLine
  readonly cluster: Cluster
  readonly router: Router
  readonly sockets: Pick<SocketServer, 'users'>
  readonly address: ClientAddress
  readonly access: ConsoleAccess
  readonly switches: NamespaceSwitches
  readonly sampler: Sampler
  readonly breakers: Breakers
  readonly readings: NodeReadings
  /** Undefined without Postgres. */
  readonly tier: OpenTier | undefined
  readonly operations: Operations | undefined
  readonly projections: ProjectionOperations | undefined
  readonly logger: Logger
}

/** The operations console of one node. */
export interface OpenConsole {
  /** Before `app` is ready. */
  addRoutes(app: FastifyInstance): void
  /** Somebody with a console token looks into a channel. */
  tailed(user: string, channel: string): void
  /** Known switches, and what has changed since the last start. Never fails. */
  begin(): Promise<void>
  /** Says goodbye, and writes down what waits. Before Redis is let go of. */
  close(): Promise<void>
}

export function openConsole(parts: ConsoleParts): OpenConsole {
  const { config, node, cluster, router, switches, logger, projections, tier } = parts
  const postgres = new PostgresSource(config.postgres.url, logger)
  const card = {
    ...{ id: node.id, name: node.name, version: node.version },
    runtime: process.version,
    role: config.role,
    startedAt: Date.now() - Math.round(performance.now()),
    url: config.console.url ?? null,
    config: configDigest(config),
  }
  const nodeConsole = new NodeConsole({
    ...{ card, postgres, switches, logger },
    readings: parts.readings,
    line: parts.line,
    keepDays: config.console.keepDays,
  })
  const endChanges = watchChanges({
    marks: nodeConsole.marks,
    nodeName: node.name,
    breakers: parts.breakers,
    readings: parts.readings,
    ledger: tier?.log.ledger,
  })
  const needed = <T>(part: T | undefined): T => {
    if (part !== undefined) return part
    throw new HoldfastError('NOT_AVAILABLE', 'this needs Postgres, and none is configured')
  }
  const reports = (sql: Sql) =>
    projectionOperations(sql, createOperations(sql).groups, needed(projections)).list()
  cluster.answerTo(minutesTopic, async body => {
    const { from } = body as { from?: unknown }
    return nodeConsole.rates.since(typeof from === 'number' ? from : Number.POSITIVE_INFINITY)
  })
  const top = new TopSurvey({
    cluster,
    nodeName: node.name,
    sampler: parts.sampler,
    channels: () => router.channels(),
    users: most => parts.sockets.users(most),
  })
  const bulk = new BulkActs(() => needed(parts.operations).deliveries, cluster)
  const actedAt = () => acts.actedAt
  const questions = new Questions({
    ...{ console: nodeConsole, postgres, top, router, actedAt },
    ask: (topic, body) => cluster.ask(topic, body),
    // A name with a star in it asks for more than is needed, and gets it.
    subscribers: async channel => (await cluster.channels(channel)).get(channel) ?? 0,
    projections: reports,
    mirrored: async (partition, position) => {
      const state = await tier?.log.redis?.mirrors.state(partition)
      return state && state.last >= position
    },
  })
  const work = new WorkQuestions({
    ...{ postgres, switches, namespaceOf, actedAt },
    namespaces: config.namespaces,
    channels: () => router.channels(),
    projections: reports,
  })
  const acts = new Acts({
    ...{ console: nodeConsole, postgres, cluster, router, bulk },
    namespaces: config.namespaces,
    operations: () => needed(parts.operations),
    projections: () => needed(projections),
  })
  const seen = (actor: string, act: string, target: string) =>
    nodeConsole.record({ actor, act, target, reason: null, outcome: 'done' })
  const shown = new RecentKeys(10_000)
  return {
    addRoutes: app =>
      addConsoleRoutes(app, {
        ...{ questions, work, acts, logger },
        onEvent: (actor, { stories }) => {
          // A page asks again and again for what it shows: once an hour is told.
          const hour = Math.floor(Date.now() / 3_600_000)
          for (const { channel, offset, data } of stories.value ?? [])
            if (data !== null && shown.add(`${hour} ${actor} ${channel}@${offset}`))
              seen(actor, 'read_event', `channel ${channel} at ${offset}`)
        },
        access: parts.access,
        address: parts.address,
        progress: id => bulk.progress(id),
        me: ({ name, role }, open) => ({
          ...{ name, role, open, time: Date.now() },
          node: { id: node.id, name: node.name, version: node.version },
          tail: config.role !== 'worker',
        }),
      }),
    tailed: (actor, channel) => seen(actor, 'tail', `channel ${channel}`),
    begin: () => nodeConsole.begin(),
    async close() {
      endChanges()
      await nodeConsole.close()
    },
  }
}
