import { checkChannel, HoldfastError, namespaceOf } from '../domain/index.ts'
import { createGroups } from '../durable/index.ts'
import type { Router } from '../gateway/index.ts'
import type { Config, Logger } from '../platform/index.ts'
import {
  builtInProjections,
  type ChangesTo,
  checkOwnChanges,
  createChangeHooks,
  openReads,
  type Projection,
  type ProjectionHandle,
  type ProjectionOperations,
  ProjectionRunner,
  type ProjectionTables,
  projectionActs,
  projectionOperations,
  type Reads,
  type Reducer,
  type ReducerHandle,
  type StatesTables,
  startDeliveryWatch,
} from '../projections/index.ts'
import type { OpenDurable } from './open-durable.ts'

/** Declares a projection, and reads it. */
export interface DeclareProjection {
  <State>(reducer: Reducer<State, StatesTables<State>>): ReducerHandle<State>
  <Tables extends ProjectionTables>(projection: Projection<Tables>): ProjectionHandle<Tables>
}

/** The projections of one process: what it declares, reads, and lets operators do. */
export interface Projections {
  readonly declare: DeclareProjection
  readonly operations: ProjectionOperations
  readonly reads: Reads
  /** For metrics. */
  readonly applied: ProjectionRunner['applied']
  /** @throws HoldfastError CONFIG_INVALID where tables have changed and the version has not; DEPENDENCY_* */
  begin(): Promise<void>
  /** Finishes what is in hand, at most so long. Reads go on until they are closed by themselves. */
  close(withinMs: number): Promise<void>
}

export interface ProjectionsOptions {
  readonly config: Config
  readonly durable: OpenDurable
  /** What changes are published through. */
  readonly router: Router
  readonly nodeName: string
  readonly logger: Logger
}

/** Asks nothing of Postgres before something is declared and `begin` called, or somebody reads or decides. */
export function createProjections({
  config,
  durable,
  router,
  nodeName,
  logger,
}: ProjectionsOptions): Projections {
  const { url, sql, tier } = durable
  const { groups: groupOperations } = durable.operations
  const changes = new Map<string, ChangesTo | undefined>()
  const isDurable = (channel: string): boolean => {
    const namespace = config.namespaces[namespaceOf(checkChannel(channel))]
    if (namespace) return namespace.tier === 'durable'
    throw new HoldfastError('CHANNEL_UNKNOWN', `${channel}: its namespace is not declared`)
  }
  const hooks = createChangeHooks({
    outlet: { isDurable, publish: (channel, data) => router.publish({ channel, data }) },
    changesOf: (projection, version) => changes.get(`${projection}@${version}`),
    logger,
  })
  const { leaseMs, poolSize } = config.workers
  const runner = new ProjectionRunner({
    url,
    groups: createGroups({ log: tier.log, url, leaseMs, poolSize, orm: true, nodeName, logger }),
    hooks,
    nodeName,
    logger,
  })
  const acts = projectionActs({ sql, groups: groupOperations, hooks, onAct: () => runner.lookSoon() })
  const reads = openReads({ url, groups: groupOperations, logger })

  const declare = (projection: Projection | Reducer) => {
    // A channel that does not exist is told of now, not with the first change.
    const { changes: told } = projection
    if (typeof told === 'string' && isDurable(told)) checkOwnChanges(projection, told)
    runner.declare(projection as Projection)
    changes.set(`${projection.name}@${projection.version}`, projection.changes)
    return projection.kind === 'reducer'
      ? reads.reducerHandle(projection as Reducer<unknown, StatesTables<unknown>>)
      : reads.handle(projection)
  }

  const builtIn = config.projections
  for (const projection of builtInProjections(builtIn)) declare(projection)
  let watch: ReturnType<typeof startDeliveryWatch> | undefined

  return {
    declare: declare as DeclareProjection,
    operations: projectionOperations(sql, groupOperations, acts),
    reads,
    applied: () => runner.applied(),
    async begin() {
      await runner.work()
      if (builtIn.deliveries)
        watch ??= startDeliveryWatch({ url, log: tier.log, ...builtIn.deliveries, logger })
    },
    async close(withinMs) {
      await Promise.all([watch?.stop(), runner.close(withinMs)])
    },
  }
}
