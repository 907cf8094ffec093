import type { FastifyInstance } from 'fastify'
import { followSwitches, hasConsole, openConsole, ownListener } from '../console/index.ts'
import { type Cluster, clientAddress, type NodeIdentity, type UpgradeHandler } from '../gateway/index.ts'
import { servePage } from '../pages/index.ts'
import type { Config, Logger } from '../platform/index.ts'
import type { RealtimeTier } from '../realtime/index.ts'
import { type ReadingParts, readingsOf } from './console-readings.ts'
import type { Work } from './work.ts'

export interface ConsoleOptions extends ReadingParts {
  readonly config: Config
  readonly node: NodeIdentity
  readonly realtime: RealtimeTier
  readonly work: Work | undefined
  readonly cluster: Cluster
  readonly handleUpgrade: UpgradeHandler
  /** Where the console is served, unless it has a listener of its own. */
  readonly app: FastifyInstance
  readonly logger: Logger
}

/** What operators have of a node. */
export interface NodeOperators {
  /** Before anybody is served; once. @throws HoldfastError CONFIG_INVALID where the console's port is taken */
  begin(): Promise<void>
  close(): Promise<void>
}

const ownListenerGraceMs = 500

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}

/** The console of a node with its listener; on a node without one, only what operators have switched elsewhere. */
export function openOperators(options: ConsoleOptions): NodeOperators {
  const { config, gate, logger, durable, realtime, work } = options
  if (!hasConsole(config)) return followSwitches(config.postgres.url, gate.switches, logger)
  const { access, switches, sampler } = gate
  const opened = openConsole({
    ...options,
    ...{ access, switches, sampler },
    line: realtime.control,
    address: clientAddress(config.http.trustedProxies),
    readings: readingsOf({ ...options, auditSeconds: config.prober.auditIntervalMs / 1_000 }),
    tier: durable?.tier,
    operations: durable?.operations,
    projections: work?.projections.operations,
  })
  gate.onTail = (user, channel) => opened.tailed(user, channel)
  const { host, port } = config.console
  const addRoutes = (app: FastifyInstance) => {
    opened.addRoutes(app)
    if (!servePage(app, 'console'))
      logger.warn({ page: 'console' }, 'a page has not been built: npm run build')
  }
  const listener =
    port === undefined
      ? undefined
      : ownListener({ host, port, addRoutes, handleUpgrade: options.handleUpgrade })
  if (!listener) addRoutes(options.app)
  const begin = async () => {
    if (access.open && !isLoopback(port === undefined ? config.http.host : host))
      logger.warn(
        'whoever reaches this node operates it: auth.insecure is set, and there are no console.tokens',
      )
    const address = await listener?.listen()
    if (address) logger.info(address, 'the console listens')
    await opened.begin()
  }
  let begun: Promise<void> | undefined
  return {
    begin() {
      begun ??= begin()
      return begun
    },
    async close() {
      await listener?.close(ownListenerGraceMs)
      await opened.close()
    },
  }
}
