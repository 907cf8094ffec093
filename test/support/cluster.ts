import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { inject } from 'vitest'
import { type LocalRedis, startLocalRedis } from '../../src/cli/services/local-redis.ts'
import { freshDatabase } from './database.ts'

/** From the sources, as what a `setup` module imports is: an application and its server share their classes. */
const sources = fileURLToPath(new URL('../../bin/holdfast', import.meta.url))

export const apiKey = 'test-api-key'
export const tokenSecret = 'test-token-secret-that-is-long-enough-for-hs512-too-0123456789abcdef'

/** Namespaces that most system tests share: everything a signed-in client may want to do. */
export const everything = ['client', 'anonymous'] as const
export const openNamespaces = {
  room: {
    tier: 'realtime',
    presence: true,
    joinLeave: true,
    allow: { subscribe: everything, publish: everything, presence: everything },
  },
  recent: {
    tier: 'realtime',
    history: { size: 100, ttlSeconds: 60 },
    forceRecovery: true,
    allow: { subscribe: everything, publish: everything, history: everything },
  },
  order: {
    tier: 'durable',
    allow: { subscribe: everything, publish: everything, append: everything, history: everything },
  },
}

export interface Node {
  readonly name: string
  readonly port: number
  readonly process: ChildProcess
  /** WebSocket endpoint. */
  readonly url: string
  readonly http: string
  /** Calls the server API and returns `result`; throws on `error`. */
  api<T = Record<string, unknown>>(method: string, body: unknown): Promise<T>
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>
  /** SIGTERM, and waits for its end; returns the exit code. */
  stop(): Promise<number | null>
}

export interface ClusterOptions {
  readonly config?: Record<string, unknown>
  readonly nodes?: number
  /** A Redis of its own, for tests that wipe, stop or kill it. */
  readonly ownRedis?: boolean
  readonly databaseUrl?: string
  /** All nodes at once, which takes a `databaseUrl` whose schema is there. */
  readonly together?: boolean
  readonly redisUrl?: string
  /** A module that exports `setup`, which gives each node its hooks and groups. */
  readonly setup?: string
}

export interface StartOptions {
  readonly port?: number
  readonly env?: Record<string, string>
  readonly args?: readonly string[]
  /** The program of another release. */
  readonly bin?: string
}

export interface Cluster {
  /** Those that have started, in the order in which they were asked to. */
  readonly nodes: readonly Node[]
  readonly redisUrl: string
  readonly databaseUrl: string
  /** Only with `ownRedis`. */
  readonly redis: LocalRedis | undefined
  start(overrides?: StartOptions): Promise<Node>
  close(): Promise<void>
}

/** Real `holdfast serve` processes over a fresh database; `a` and `b` are `nodes[0]` and `nodes[1]`. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-cluster-'))
  const database = options.databaseUrl ? undefined : await freshDatabase(inject('postgresUrl'))
  const databaseUrl = options.databaseUrl ?? database?.url ?? ''
  const redis = options.ownRedis ? await startLocalRedis({ server: inject('redisServer') }) : undefined
  const redisUrl = options.redisUrl ?? redis?.url ?? inject('redisUrl')
  const file = join(directory, options.setup === undefined ? 'holdfast.json' : 'holdfast.mjs')
  const config = {
    namespaces: openNamespaces,
    log: { level: 'warn' },
    // What tests count is theirs alone.
    prober: { enabled: false },
    ...options.config,
    redis: { prefix: `t${randomUUID().slice(0, 8)}`, ...(options.config?.['redis'] as object | undefined) },
    auth: {
      insecure: false,
      token: { hmacSecret: tokenSecret },
      ...(options.config?.['auth'] as object | undefined),
    },
  }
  const json = JSON.stringify(config)
  const setup = JSON.stringify(options.setup)
  await writeFile(
    file,
    setup === undefined ? json : `export { setup } from ${setup}\nexport default ${json}\n`,
  )
  const nodes: Node[] = []
  let migrated = options.together ?? false
  let begun = 0
  const begin: Cluster['start'] = async (overrides = {}) => {
    const node = await startNode({
      name: `node-${++begun}`,
      bin: overrides.bin ?? (setup === undefined ? inject('program') : sources),
      args: [...(migrated ? [] : ['--migrate']), ...(overrides.args ?? [])],
      env: {
        HOLDFAST_CONFIG: file,
        HOLDFAST_HOST: '127.0.0.1',
        HOLDFAST_PORT: String(overrides.port ?? 0),
        HOLDFAST_API_KEY: apiKey,
        REDIS_URL: redisUrl,
        DATABASE_URL: databaseUrl,
        ...overrides.env,
      },
    })
    migrated = true
    return node
  }
  const places = new Map<Node, number>()
  let taken = 0
  const start: Cluster['start'] = async overrides => {
    const place = ++taken
    const node = await begin(overrides)
    places.set(node, place)
    nodes.push(node)
    nodes.sort((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0))
    return node
  }
  const count = options.nodes ?? 2
  if (options.together) nodes.push(...(await Promise.all(Array.from({ length: count }, () => begin()))))
  else for (let i = 0; i < count; i++) await start()
  return {
    nodes,
    redisUrl,
    databaseUrl,
    redis,
    start,
    async close() {
      await Promise.all(nodes.map(node => node.kill()))
      await redis?.stop()
      await database?.drop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function startNode(options: {
  name: string
  bin: string
  args: readonly string[]
  env: Record<string, string>
}): Promise<Node> {
  const child = spawn(process.execPath, [options.bin, 'serve', '--json', ...options.args], {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output: string[] = []
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()))
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', line => {
      output.push(`${line}\n`)
      if (output.length > 2_000) output.shift()
      const ready = /"port":(\d+)/.exec(line)
      if (ready && line.includes('listening')) resolve(Number(ready[1]))
    })
    child.once('error', reject)
    child.once('exit', code => reject(new Error(`serve ended with code ${code}:\n${output.join('')}`)))
  })
  const http = `http://127.0.0.1:${port}`
  const ended = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal)
      await once(child, 'exit')
    }
    return child.exitCode
  }
  return {
    name: options.name,
    port,
    process: child,
    url: `ws://127.0.0.1:${port}/connection/websocket`,
    http,
    async api<T>(method: string, body: unknown) {
      const response = await fetch(`${http}/api/${method}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': apiKey },
        body: JSON.stringify(body),
      })
      const answer = (await response.json()) as { result?: T; error?: { code: number; message: string } }
      if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code })
      return answer.result as T
    },
    async kill() {
      child.kill('SIGCONT')
      await ended('SIGKILL')
    },
    stop: () => ended('SIGTERM'),
  }
}
