import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { type Contract, contractCheck } from '../contract/index.ts'
import { HoldfastError } from '../domain/index.ts'
import {
  type AuthenticateHook,
  createAuthenticator,
  createCluster,
  createHealth,
  createHttpApi,
  createHttpServer,
  createPermissions,
  createRouter,
  createSocketServer,
  KeyCounts,
  PublicationCounts,
  refuseUpgrade,
  type UpgradeHandler,
} from '../gateway/index.ts'
import { createLogger, ForeignMessages, parseConfig, redisTarget } from '../platform/index.ts'
import { declareBatchSink } from '../projections/index.ts'
import { createRealtimeTier } from '../realtime/index.ts'
import { Breakers } from '../resilience/index.ts'
import { flushTraces } from '../tracing/index.ts'
import { breakerControl } from './breakers.ts'
import { deciding, openCommands } from './commands.ts'
import { openOperators } from './console.ts'
import { consoleGate } from './console-gate.ts'
import { withContract } from './contract-router.ts'
import type { ContractGroup } from './group-types.ts'
import { HookRegistry } from './hooks.ts'
import { openMetrics } from './metrics.ts'
import { openDurable } from './open-durable.ts'
import { Opened } from './opened.ts'
import { addPages } from './pages.ts'
import { Canaries } from './prober.ts'
import { openTracing } from './traced-router.ts'
import type { Holdfast, HoldfastOptions } from './types.ts'
import { historyResult, jsonOf } from './values.ts'
import { version } from './version.ts'
import { createWork, type Work } from './work.ts'

/**
 * Builds one node from its parts: the only place where the rooms meet. Nothing listens until `listen` or `attach`.
 * @throws HoldfastError CONFIG_INVALID for the configuration, a database without the schema, or one that may lose
 *   acknowledged events; DEPENDENCY_* where Postgres does not answer
 */
export async function createHoldfast<const C extends Contract = Contract>(
  options: HoldfastOptions<C> = {},
): Promise<Holdfast<C>> {
  const opened = new Opened()
  try {
    return await build(options, opened)
  } catch (error) {
    await opened.close()
    throw error
  }
}

/** A collector that is away keeps no node from stopping. */
const flushMs = 1_500

async function build<const C extends Contract>(
  options: HoldfastOptions<C>,
  opened: Opened,
): Promise<Holdfast<C>> {
  const { contract, logger: given, nodeName, ...input } = options
  const config = parseConfig(input)
  const node = { id: randomUUID(), name: nodeName ?? `${hostname()}-${process.pid}`, version }
  const logger = given ?? createLogger(config.log.level, { node: node.name })
  const hooks = new HookRegistry()
  let authenticate: AuthenticateHook | undefined

  // What the configuration can get wrong comes before anything that would have to be let go of.
  const hookTimeoutMs = config.limits.hookTimeoutMs
  const keyCounts = new KeyCounts()
  const gate = consoleGate(config)
  const ofClients = gate.authenticator(
    createAuthenticator({ auth: config.auth, hook: () => authenticate, hookTimeoutMs, logger, keyCounts }),
  )
  const check = contract && contractCheck(contract)

  const foreign = new ForeignMessages(logger)
  const breakers = new Breakers(logger)
  const durable = opened.add(await openDurable(config, node.id, logger, foreign, breakers), part =>
    part?.close(),
  )
  const { prefix } = config.redis
  const realtime = opened.add(
    await createRealtimeTier({
      redis: redisTarget(config.redis, 'bus'),
      prefix,
      nodeId: node.id,
      logger,
      foreign,
      breakers,
    }),
    part => part.close(),
  )

  const { namespaces } = config
  const publications = new PublicationCounts()
  const counted = createRouter({ namespaces, realtime, durable: durable?.tier, counts: publications })
  const plain = gate.router(counted, publications)
  const ofSessions = check ? withContract(plain, check, hookTimeoutMs, publications) : plain
  const canaries = new Canaries({ config, node: node.id, realtime, durable, breakers, logger })
  const authenticator = canaries.authenticator(ofClients)
  const router = canaries.router(ofSessions)
  const { tracing, own, traced } = openTracing(config, router)
  const workOptions = { config, router: own, check, gate, nodeName: node.name, logger, breakers }
  const work = durable && opened.add(createWork({ ...workOptions, durable }), part => part.close(0))
  const deciders = { tier: gate.tier(durable?.tier), namespaces, check, hookTimeoutMs, traced, logger }
  const commands = opened.add(openCommands(deciders), part => part?.close())
  const granted = createPermissions({
    namespaces,
    insecure: config.auth.insecure,
    authenticator,
    authorize: channel => hooks.authorize(channel),
    hookTimeoutMs,
  })
  const sockets = createSocketServer({
    config,
    authenticator,
    permissions: canaries.permissions(gate.permissions(granted)),
    hooks: gate.hooks(hooks),
    router: ofSessions,
    realtime,
    durable: durable?.tier,
    cursors: durable?.cursors,
    commands,
    tracing,
    logger,
    version,
  })
  const cluster = createCluster({
    node,
    control: realtime.control,
    sessions: sockets.sessions,
    router,
    breakers,
    traits: () => canaries.traits,
    logger,
  })
  let closing: Promise<void> | undefined
  let serving = false
  const self = { node, config, keyCounts, gate, breakers, foreign, logger }
  const measured = { ...self, canaries, cluster, sockets, publications, realtime, durable, work, commands }
  const telemetry = await openMetrics(measured)
  const exporter = config.http.metrics ? telemetry?.prometheus : undefined
  const health = createHealth({
    router,
    namespaces,
    draining: () => closing !== undefined,
    load: () => sockets.loadWatch,
  })
  const api = createHttpApi({
    config,
    router,
    cluster,
    commands,
    operations: durable?.operations,
    projections: work?.projections,
    health,
    metrics: exporter?.getMetricsRequestHandler.bind(exporter),
    tracing: { tracing, trusted: config.api.key !== undefined },
    logger,
    limited: sockets.counts.limited,
  })
  addPages(api.app, config, logger)
  const handleUpgrade: UpgradeHandler = (request, socket, head) =>
    config.role === 'worker' ? refuseUpgrade(socket) : sockets.handleUpgrade(request, socket, head)
  const server = createHttpServer({ api, limits: config.limits, handleUpgrade })
  const operators = openOperators({
    ...{ config, node, gate, realtime, durable, work, router, sockets, cluster, breakers, health, logger },
    ...{ publications, prober: () => canaries.status, tally: canaries.tally, handleUpgrade, app: api.app },
  })

  async function stop(): Promise<void> {
    const { drainTimeoutMs, drainDelayMs } = config.limits
    const delayMs = serving ? drainDelayMs : 0
    logger.info({ clients: sockets.openSockets, delayMs }, 'the node stops: others take over')
    // At once, because no balancer has to hear of it first: partitions move to other workers meanwhile.
    const handedOver = work?.close(delayMs + drainTimeoutMs)
    // Whether it fails is for the end of the delay.
    handedOver?.catch(() => undefined)
    await canaries.close()
    if (delayMs > 0) await delay(delayMs)
    // Sockets while both tiers still work: what clients have sent is finished and acknowledged.
    const drained = sockets.close()
    const closed = server.close(drainTimeoutMs, drained)
    await Promise.all([drained, handedOver])
    await closed
    await operators.close()
    cluster.close()
    await commands?.close()
    await work?.projections.reads.close()
    await durable?.close()
    await realtime.close()
    await Promise.all([telemetry?.close(), flushTraces(flushMs)])
  }

  async function listen() {
    await operators.begin()
    const address = await server.listen(config.http.host, config.http.port)
    serving = config.role !== 'worker'
    try {
      if (config.role !== 'gateway') await work?.begin()
      canaries.begin(address, cluster)
      return address
    } catch (error) {
      await server.close(0)
      throw error
    }
  }

  const behindTheLog = (): Work => {
    if (work) return work
    throw new HoldfastError('NOT_AVAILABLE', 'this needs Postgres, and none is configured')
  }

  return {
    config,
    node: { id: node.id, name: node.name },

    authenticate: hook => {
      authenticate = hook
    },
    authorize: (pattern, hook) => hooks.addAuthorize(pattern, call => hook(call as never)),
    rpc: (method, hook) => hooks.addRpc(method, hook),
    onPublish: (pattern, hook) => hooks.addPublish(pattern, call => hook(call as never)),

    publish: async (channel, data, { tags, idempotencyKey } = {}) =>
      own.publish({
        channel,
        data: jsonOf(data),
        ...(tags === undefined ? {} : { tags }),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      }),
    append: async (channel, type, data, { id, expectedOffset } = {}) =>
      own.append({
        channel,
        type,
        data: jsonOf(data),
        ...(id === undefined ? {} : { id }),
        ...(expectedOffset === undefined ? {} : { expectedOffset }),
      }),
    aggregate: definition => deciding(commands).aggregate(definition),
    command: async (channel, command, input, options) =>
      traced('command', channel, trace =>
        deciding(commands).run({ ...options, channel, command, input, trace }),
      ),
    history: async (channel, { since, limit = config.limits.maxHistoryLimit, reverse = false } = {}) =>
      historyResult(
        await router.history({ channel, limit, reverse, ...(since === undefined ? {} : { since }) }),
      ),
    presence: channel => router.presence(channel),
    disconnect: async (user, reason = 'force disconnect') => {
      await cluster.act({ act: 'disconnect', user, whitelist: [], code: 3503, reason })
    },
    unsubscribe: async (user, channel) => {
      await cluster.act({ act: 'unsubscribe', user, channel, code: 2000, reason: 'server unsubscribe' })
    },

    group: (name, options) => behindTheLog().groups.group(name, options) as ContractGroup<C>,
    projection: ((definition: never) =>
      behindTheLog().projections.declare(definition)) as Holdfast<C>['projection'],
    batchSink: (name, options) => declareBatchSink(behindTheLog().groups, name, options),
    rule: (name, definition) => behindTheLog().jobs.rule(name, definition),
    job: (name, handler) => behindTheLog().jobs.handler(name, handler),
    schedule: async (name, options) => behindTheLog().jobs.schedule(name, options),
    unschedule: async name => behindTheLog().jobs.unschedule(name),
    work: async () => {
      await operators.begin()
      await behindTheLog().begin()
    },
    breakers: breakerControl(breakers, cluster),
    get prober() {
      return canaries.status
    },
    get operations() {
      return behindTheLog().operations
    },

    listen: () => {
      if (closing) throw new HoldfastError('SHUTTING_DOWN', 'this node has been closed')
      return listen()
    },
    attach: http => {
      serving = true
      const begun = operators.begin().catch(err => logger.error({ err }, 'the console could not begin'))
      server.attach(http, begun)
      canaries.begin(http, cluster)
    },
    close: () => {
      closing ??= stop()
      return closing
    },
  }
}
