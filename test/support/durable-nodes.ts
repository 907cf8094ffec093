import { Redis } from 'ioredis'
import { inject } from 'vitest'
import { type LocalRedis, startLocalRedis } from '../../src/cli/services/local-redis.ts'
import type { NamespaceOptions } from '../../src/domain/index.ts'
import { createDurableTier, type MirrorOptions, type OpenTier } from '../../src/durable/index.ts'
import type { Ledger } from '../../src/durable/ledger/ledger.ts'
import { createLogger } from '../../src/platform/index.ts'
import { type TestLedger, testLedger } from './ledger.ts'
import { RecordingOutlet } from './recording-outlet.ts'

/** Two durable tiers over one database and one Redis, as two nodes would have them. */
export interface DurableNodes {
  readonly a: OpenTier
  readonly b: OpenTier
  readonly database: TestLedger
  /** A ledger without a mirror: what is appended to it looks like a node that died right after its commit. */
  readonly bare: Ledger
  readonly redis: Redis
  readonly redisUrl: string
  readonly epoch: string
  /** Another node, with a Redis of its own choice. */
  node(options?: { redisUrl?: string | undefined; mirror?: Partial<MirrorOptions> }): Promise<OpenTier>
  /** Kills Redis; it comes back empty on the same port with `startRedis`. */
  killRedis(): Promise<void>
  startRedis(): Promise<void>
  redisProcess(): LocalRedis['process']
  close(): Promise<void>
}

export async function durableNodes(mirror: Partial<MirrorOptions> = {}): Promise<DurableNodes> {
  const server = inject('redisServer')
  const database = await testLedger()
  let local = await startLocalRedis({ server })
  const { url } = local
  const port = Number(new URL(url).port)
  const redis = new Redis(url)
  redis.on('error', () => undefined)
  const tiers: OpenTier[] = []
  const node: DurableNodes['node'] = async (options = {}) => {
    const redisUrl = 'redisUrl' in options ? options.redisUrl : url
    const ledger = await database.open()
    const tier = await createDurableTier({
      ledger,
      redis: redisUrl,
      nodeId: `node-${tiers.length}`,
      logger: createLogger(process.env['HOLDFAST_TEST_LOG'] ?? 'silent'),
      mirror: { ...mirror, ...options.mirror },
    })
    tiers.push(tier)
    return tier
  }
  const [a, b] = [await node(), await node()]
  return {
    a,
    b,
    database,
    bare: database.ledgers[0],
    redis,
    redisUrl: url,
    epoch: database.ledgers[0].epoch,
    node,
    async killRedis() {
      local.process.kill('SIGKILL')
      await local.stop()
    },
    async startRedis() {
      local = await startLocalRedis({ server, port })
    },
    redisProcess: () => local.process,
    async close() {
      local.process.kill('SIGCONT')
      await Promise.all(tiers.map(tier => tier.close()))
      redis.disconnect()
      await local.stop()
      await database.close()
    },
  }
}

/** A durable namespace that allows everything the tests do. */
export const durable: NamespaceOptions = {
  tier: 'durable',
  presence: false,
  joinLeave: false,
  history: { size: 0, ttlSeconds: 300 },
  forceRecovery: false,
  forcePositioning: false,
  replay: { maxPushed: 10_000 },
  retention: { maxAgeSeconds: 0, maxEvents: 0 },
  cursors: { hold: [], holdSeconds: 0 },
  allow: { subscribe: [], publish: [], append: [], presence: [], history: [] },
}

/** A subscriber with everything that it has seen: what rode in the reply, then the pushes. */
export interface Subscriber {
  readonly outlet: RecordingOutlet
  readonly recovered: boolean
  /** The place the reply named. */
  readonly position: { epoch: string; offset: number }
  offsets(): number[]
}

/** Subscribes as the gateway does: the reply, and in the same turn `join`. */
export async function listen(
  tier: OpenTier,
  channel: string,
  since?: number | { offset: number; epoch: string },
  options: NamespaceOptions = durable,
): Promise<Subscriber> {
  const outlet = new RecordingOutlet()
  const recover = typeof since === 'number' ? { offset: since, epoch: '' } : since
  const subscription = await tier.subscribe({ channel, outlet, options, ...(recover && { recover }) })
  subscription.join()
  const replied = subscription.publications.map(text => (JSON.parse(text) as { offset: number }).offset)
  return {
    outlet,
    recovered: subscription.recovered,
    position: subscription.position ?? { epoch: '', offset: -1 },
    offsets: () => [...replied, ...outlet.offsets()],
  }
}

/** Appends `count` events one after the other or, with `atOnce`, together. Returns their offsets. */
export async function append(
  tier: OpenTier,
  channel: string,
  count: number,
  options: { atOnce?: boolean; data?: string } = {},
): Promise<number[]> {
  const { atOnce = false, data = '{}' } = options
  const one = async () => (await tier.append({ channel, type: 'Numbered', data })).offset
  if (atOnce) return Promise.all(Array.from({ length: count }, one))
  const offsets: number[] = []
  for (let n = 0; n < count; n++) offsets.push(await one())
  return offsets
}

/** from … to. */
export function dense(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)
}
