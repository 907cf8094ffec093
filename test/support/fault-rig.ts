import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { inject } from 'vitest'
import { type LocalRedis, startLocalRedis } from '../../src/cli/services/local-redis.ts'
import type { ClientInfo } from '../../src/domain/index.ts'
import { createLogger } from '../../src/platform/index.ts'
import { createRealtimeTier, type RealtimeTier } from '../../src/realtime/index.ts'
import { Follower, type Numbered } from './follower.ts'
import { forgetful, remembering } from './realtime-nodes.ts'
import { type TcpProxy, tcpProxy } from './tcp-proxy.ts'
import { until } from './until.ts'

const everyMs = 10
const options = { plain: forgetful, numbered: { ...remembering, history: { size: 5_000, ttlSeconds: 60 } } }
export type Kind = keyof typeof options
export const kinds = Object.keys(options) as Kind[]
export const nodes = ['a', 'b'] as const
export type NodeName = (typeof nodes)[number]
/** Which of a node's connections to Redis. */
export type Connection = 'commands' | 'subscriber'

/** Two nodes whose clients talk all the time, a proxy and a Redis of their own, and a node without any beside them. */
export class FaultRig {
  readonly prefix: string
  readonly proxy: TcpProxy
  readonly tiers: Record<NodeName, RealtimeTier>
  readonly followers = {} as Record<`${NodeName} ${Kind}`, Follower>
  /** Hears what is published where no Redis can do harm: as quiet as this process and machine ever are. */
  readonly calm: Follower
  readonly published: Record<Kind, Numbered[]> = { plain: [], numbered: [] }
  readonly failures: unknown[] = []
  redis: LocalRedis
  readonly #alone: RealtimeTier
  readonly #directory: string
  #other: LocalRedis | undefined
  #talking: NodeJS.Timeout | undefined
  #n = 0

  private constructor(parts: {
    prefix: string
    redis: LocalRedis
    directory: string
    proxy: TcpProxy
    tiers: Record<NodeName, RealtimeTier>
    alone: RealtimeTier
  }) {
    this.prefix = parts.prefix
    this.redis = parts.redis
    this.#directory = parts.directory
    this.proxy = parts.proxy
    this.tiers = parts.tiers
    this.#alone = parts.alone
    this.calm = new Follower(parts.alone, 'f:calm', forgetful)
  }

  static async start(prefix: string, promptMs: number): Promise<FaultRig> {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-faults-'))
    const redis = await startLocalRedis({
      server: inject('redisServer'),
      flags: ['--dir', directory, '--dbfilename', 'dump.rdb'],
    })
    const proxy = await tcpProxy(redis.url)
    const start = (nodeId: string, redisUrl?: string) =>
      createRealtimeTier({
        redis: redisUrl,
        prefix,
        nodeId,
        logger: createLogger('silent'),
        // What is not to be called slow, however slow the machine is, must not be called away either.
        timings: {
          promptMs,
          deadlineMs: Math.max(1_000, 3 * promptMs),
          positionCheckMs: 1_000,
          startMs: 10_000,
        },
      })
    const [a, b, alone] = await Promise.all([
      start('a', proxy.through(redis.url)),
      start('b', proxy.through(redis.url)),
      start('alone'),
    ])
    const rig = new FaultRig({ prefix, redis, directory, proxy, tiers: { a, b }, alone })
    await rig.calm.enter()
    for (const node of nodes)
      for (const kind of kinds) {
        const follower = new Follower(rig.tiers[node], `f:${kind}`, options[kind])
        rig.followers[`${node} ${kind}`] = follower
        await follower.enter()
      }
    return rig
  }

  /** From now on both nodes publish in both channels, every few milliseconds. */
  talk(): void {
    this.#talking = setInterval(() => {
      const n = ++this.#n
      void this.#alone.publish({ channel: 'f:calm', data: message('alone', n), options: forgetful })
      for (const by of nodes) for (const kind of kinds) void this.publish(by, kind, n)
    }, everyMs)
  }

  quiet(): void {
    clearInterval(this.#talking)
  }

  async publish(by: NodeName, kind: Kind, n = ++this.#n): Promise<number | undefined> {
    this.published[kind].push({ by, n, at: performance.now() })
    try {
      const publication = { channel: `f:${kind}`, data: message(by, n), options: options[kind] }
      return (await this.tiers[by].publish(publication))?.offset
    } catch (error) {
      this.failures.push(error)
      return undefined
    }
  }

  /** Does something to Redis beside the proxy. */
  async direct<T>(act: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(this.redis.url)
    try {
      return await act(redis)
    } finally {
      redis.disconnect()
    }
  }

  /** The ports of nodes' connections, as the proxy asks for them. */
  async ports(which: Connection, of: readonly NodeName[] = nodes): Promise<(port: number) => boolean> {
    const list = await this.direct(redis => redis.call('CLIENT', 'LIST') as Promise<string>)
    const names = of.map(node => `name=holdfast-realtime-${which === 'subscriber' ? 'sub-' : ''}${node} `)
    const lines = list.split('\n').filter(line => names.some(name => line.includes(name)))
    const ports = new Set(lines.map(line => Number(/ addr=[^ ]*:(\d+) /.exec(line)?.[1])))
    return port => ports.has(port)
  }

  /** Redis again, at the same place, with what it had saved. */
  async restart(flags: readonly string[] = []): Promise<void> {
    const port = Number(new URL(this.redis.url).port)
    const where = ['--dir', this.#directory, '--dbfilename', 'dump.rdb']
    this.redis = await startLocalRedis({ server: inject('redisServer'), port, flags: [...where, ...flags] })
  }

  /** From now on connections through the proxy lead to another Redis, which knows nothing. */
  async leadElsewhere(): Promise<void> {
    this.#other ??= await startLocalRedis({ server: inject('redisServer') })
    this.proxy.pointTo(this.#other.url)
  }

  /** Nobody can save into it any more. */
  loseDirectory(): Promise<void> {
    return rm(this.#directory, { recursive: true, force: true })
  }

  /** Both nodes hear each other, number again, and every client has heard a last message of both. */
  async healed(): Promise<void> {
    const { a, b } = this.tiers
    await until('both nodes are connected', () => a.connected && b.connected)
    for (const by of nodes)
      await until(`${by} numbers again`, async () => (await this.publish(by, 'numbered')) !== undefined)
    this.quiet()
    const followers = Object.values(this.followers)
    await until('all clients are where they want to be', () => followers.every(each => each.settled))
    await until('what both nodes publish then comes to all', async () => {
      const n = ++this.#n
      const places = []
      for (const by of nodes) for (const kind of kinds) places.push(await this.publish(by, kind, n))
      if (places.filter(place => place !== undefined).length < nodes.length) return false
      return arrives(() =>
        followers.every(({ seen }) => seen.filter(each => each.n === n).length === nodes.length),
      )
    })
  }

  async close(): Promise<void> {
    this.quiet()
    this.redis.process.kill('SIGCONT')
    await Promise.all([this.tiers.a.close(), this.tiers.b.close(), this.#alone.close()])
    await this.proxy.close()
    await Promise.all([this.redis.stop(), this.#other?.stop()])
    await this.loseDirectory()
  }
}

const arrives = (condition: () => boolean) => until('it has come', condition, 1_000).catch(() => false)

const message = (by: string, n: number) => JSON.stringify({ by, n, at: performance.now() })

export const person = (name: string): ClientInfo => ({ client: name, user: name })
