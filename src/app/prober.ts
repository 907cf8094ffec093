import nodeCluster from 'node:cluster'
import type { Server } from 'node:http'
import { Server as SecureServer } from 'node:https'
import { canaryNamespaces, HoldfastError, isCanaryChannel, type Tier } from '../domain/index.ts'
import { Auditor, type BackgroundLoop, startLoop } from '../durable/index.ts'
import type { Authenticator, Cluster, Permissions, Router } from '../gateway/index.ts'
import { type Config, canarySeconds, type Logger } from '../platform/index.ts'
import {
  AuditTally,
  CanaryAudit,
  CanaryPass,
  CanaryRecord,
  canaryChannel,
  Prober,
  type ProberStatus,
  Tallies,
} from '../prober/index.ts'
import type { RealtimeTier } from '../realtime/index.ts'
import type { Breakers } from '../resilience/index.ts'
import type { OpenDurable } from './open-durable.ts'

/** Where canaries can reach their own node. */
export type OwnListener = { readonly host: string; readonly port: number } | Server

export interface CanariesOptions {
  readonly config: Config
  readonly node: string
  readonly realtime: RealtimeTier
  readonly durable: OpenDurable | undefined
  readonly breakers: Breakers
  readonly logger: Logger
}

/** The canaries and the auditor of a node, and what keeps everybody else out of their channels. */
export class Canaries {
  readonly tallies: Tallies
  readonly tally: AuditTally
  readonly #options: CanariesOptions
  readonly #tiers: readonly Tier[]
  readonly #pass = new CanaryPass()
  readonly #record = new CanaryRecord()
  readonly #running: { close(): Promise<void> }[] = []
  #prober: Prober | undefined
  #busSince = performance.now()
  #appends: boolean | undefined

  constructor(options: CanariesOptions) {
    this.#options = options
    this.#tiers = options.durable ? ['realtime', 'durable'] : ['realtime']
    this.tallies = new Tallies(this.#tiers)
    this.tally = new AuditTally(options.logger)
    options.breakers.onChange(({ role }) => {
      if (role === 'bus') this.#busSince = performance.now()
    })
  }

  get enabled(): boolean {
    return this.#options.config.prober.enabled ?? false
  }

  /** Whether this process has canaries now. */
  get probing(): boolean {
    return this.#prober !== undefined
  }

  /** Of the own listener, as its canary sees it: only where that speaks TLS, which is the application's to have it do. */
  get certificateSeconds(): number | undefined {
    return this.#prober?.certificateSeconds
  }

  /** What other nodes have to know: whether their canaries may listen to this one's, and that canaries' events are nobody's here. */
  get traits(): readonly string[] {
    return this.probing ? [leavesCanaries, 'canary'] : [leavesCanaries]
  }

  /** Lets canaries in, before anything of the application's is asked. */
  authenticator(inner: Authenticator): Authenticator {
    if (!this.enabled) return inner
    // Its own probes, but neither answers to others' nor greetings: those go into their channels.
    const probes = new Set(this.#tiers.map(tier => canaryChannel(tier, this.#options.node)))
    return {
      ...inner,
      connect: async handshake =>
        this.#pass.admit(handshake.token, handshake.client)
          ? { user: '', subscriptions: new Map(), canary: true, traced: probes }
          : inner.connect(handshake),
    }
  }

  /** To canaries their channels, and to nobody else: to those they do not exist. */
  permissions(inner: Permissions): Permissions {
    return {
      ...inner,
      check: async (action, channel, who, token) => {
        if (!isCanaryChannel(channel)) return inner.check(action, channel, who, token)
        if (this.#pass.isCanary(who.client)) return {}
        throw unknown(channel)
      },
    }
  }

  /** Everybody's but the sessions': the canaries' channels are not there. */
  router(inner: Router): Router {
    const known = (channel: string): string => {
      if (isCanaryChannel(channel)) throw unknown(channel)
      return channel
    }
    return {
      ...inner,
      options: channel => inner.options(known(channel)),
      publish: async publication => {
        known(publication.channel)
        return inner.publish(publication)
      },
      append: async event => {
        known(event.channel)
        return inner.append(event)
      },
      signal: async signal => {
        known(signal.channel)
        return inner.signal(signal)
      },
      history: async request => {
        known(request.channel)
        return inner.history(request)
      },
      presence: async channel => inner.presence(known(channel)),
      presenceStats: async channel => inner.presenceStats(known(channel)),
      channels: () => new Map([...inner.channels()].filter(([channel]) => !isCanaryChannel(channel))),
    }
  }

  /** Begins when the node listens; a worker has no sockets, and audits only. */
  begin(listener: OwnListener, cluster: Pick<Cluster, 'others'>): void {
    if (!this.enabled || this.#running.length > 0) return
    if (this.#options.config.role !== 'worker') this.#probe(listener, cluster)
    this.#audit()
  }

  /** Before the node sends its clients away. */
  async close(): Promise<void> {
    this.#prober = undefined
    await Promise.all(this.#running.splice(0).map(each => each.close()))
  }

  /** Undefined where canaries are off. */
  get status(): ProberStatus | undefined {
    if (!this.enabled) return undefined
    return {
      listeners: this.#prober?.listeners ?? 0,
      failures: this.tallies.failures,
      probes: this.tallies.summaries(),
      audit: this.tally.summary(),
    }
  }

  #probe(listener: OwnListener, cluster: Pick<Cluster, 'others'>): void {
    const { config, node, realtime, logger } = this.#options
    if (nodeCluster.isWorker) {
      logger.warn('no canaries: processes of a node:cluster share a port, so that none reaches itself')
      return
    }
    const begin = () => {
      const prober = new Prober({
        ...{
          node,
          logger,
          tiers: this.#tiers,
          pass: this.#pass,
          tallies: this.tallies,
          record: this.#record,
        },
        address: addressOf(listener),
        intervalMs: config.prober.intervalMs,
        deadlineMs: config.prober.deadlineMs,
        others: () => cluster.others('canary'),
        mayAppend: () => this.#mayAppend(cluster),
        bus: () => ({ connected: realtime.connected, since: this.#busSince }),
      })
      this.#prober = prober
      this.#running.push(prober)
      prober.start()
    }
    if ('port' in listener || listener.listening) begin()
    else listener.once('listening', begin)
  }

  /** Whether nobody is there who would take canaries' events for the application's. What is not known is as it was last. */
  #mayAppend(cluster: Pick<Cluster, 'others'>): boolean {
    if (!this.#options.realtime.connected) return this.#appends ?? true
    const known = new Set(cluster.others(leavesCanaries))
    this.#appends = cluster.others().every(node => known.has(node))
    return this.#appends && performance.now() - this.#busSince > acquaintedAfterMs
  }

  #audit(): void {
    const { config, node, durable, logger } = this.#options
    if (!durable) return
    const { log } = durable.tier
    const intervalMs = config.prober.auditIntervalMs
    const auditor = new Auditor({ url: durable.url, log, intervalMs, sink: this.tally, logger })
    auditor.start()
    const channel = canaryChannel('durable', node)
    const follows = () => this.#prober?.follows(channel) ?? false
    const own = new CanaryAudit({ log, channel, follows, record: this.#record, tally: this.tally })
    const loop: BackgroundLoop = startLoop({
      restMs: intervalMs / 3,
      work: () => own.pass(),
      onFailure: error => logger.debug({ err: error }, 'what the canary was told cannot be compared now'),
    })
    this.#running.push(auditor, { close: () => loop.stop() })
  }
}

/** What retention has to know besides the configuration: other nodes' canaries may append although this process has none. */
export function withCanaries(namespaces: Config['namespaces']) {
  const canaries = { tier: 'durable' as const, retention: { maxAgeSeconds: canarySeconds, maxEvents: 0 } }
  return { ...namespaces, [canaryNamespaces.durable]: canaries }
}

function unknown(channel: string): HoldfastError {
  return new HoldfastError('CHANNEL_UNKNOWN', `${channel} is for the canaries of Holdfast's own`)
}

const path = '/connection/websocket'

/** The release before does not say so: its groups and rules with patterns would act on canaries' events. */
const leavesCanaries = 'leaves_canaries'
/** A node that has just come to the bus has heard of every other one after so long: they say hello every three seconds. */
const acquaintedAfterMs = 3_500

/** Any address is this host's own, too. */
function addressOf(listener: OwnListener): string {
  if ('port' in listener) return urlOf('ws', listener.host, listener.port)
  const scheme = listener instanceof SecureServer ? 'wss' : 'ws'
  const address = listener.address()
  if (typeof address === 'string') return `${scheme}+unix://${address}:${path}`
  return urlOf(scheme, address?.address ?? '127.0.0.1', address?.port ?? 0)
}

function urlOf(scheme: string, host: string, port: number): string {
  const own = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `${scheme}://${own.includes(':') ? `[${own}]` : own}:${port}${path}`
}
