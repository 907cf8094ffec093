import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LocalPostgres, startLocalPostgres } from '../../src/cli/services/local-postgres.ts'
import { findRedisServer, type LocalRedis, startLocalRedis } from '../../src/cli/services/local-redis.ts'
import { type HoldfastNode, migrate, startNode } from './holdfast-node.ts'
import { type Handlers, Remote } from './remote.ts'
import type { SpinnerHandlers } from './spinner.ts'

/**
 * Everything a run starts: the services and servers the parts ask for, each once, and all processes besides. What
 * was started last is stopped first; what comes up while the stage is being taken down is stopped too.
 */
export class Stage implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack()
  readonly #once = new Map<string, Promise<unknown>>()
  readonly directory: Promise<string>
  readonly #log: (line: string) => void
  readonly #profileTo: string | undefined

  /** With `profileTo`, a directory, every node leaves a CPU profile there when it ends. */
  constructor(log: (line: string) => void, profileTo?: string) {
    this.#log = log
    this.#profileTo = profileTo
    this.directory = this.#make(
      async () => {
        const directory = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
        // Run by root, Postgres is another user, who must be able to get in.
        await chmod(directory, 0o755)
        return directory
      },
      directory => rm(directory, { recursive: true, force: true }),
    )
  }

  redis(): Promise<LocalRedis> {
    return this.#only('redis', async () => {
      const server = findRedisServer()
      if (!server) throw new Error('no redis-server on the PATH; `npm test` installs one where it can')
      this.#log('starting Redis')
      return this.#make(
        () => startLocalRedis({ server }),
        redis => redis.stop(),
      )
    })
  }

  /** With fsync on, as a real one has it. */
  postgres(): Promise<LocalPostgres> {
    return this.#only('postgres', async () => {
      this.#log('starting Postgres')
      const directory = join(await this.directory, 'postgres')
      return this.#make(
        () => startLocalPostgres({ directory, flags: ['-c', 'max_connections=200'], tell: this.#log }),
        async postgres => {
          await postgres.stop()
          await rm(postgres.directory, { recursive: true, force: true })
        },
      )
    })
  }

  /** `count` Holdfast nodes on this stage's Redis and Postgres; the same ones however often it is asked. */
  nodes(count: number): Promise<readonly HoldfastNode[]> {
    return Promise.all(Array.from({ length: count }, (_, i) => this.#only(`node ${i}`, () => this.node())))
  }

  /** One more node, for a part that wants it for itself. */
  async node(
    options: { nodeOptions?: string; env?: Readonly<Record<string, string>>; metrics?: boolean } = {},
  ): Promise<HoldfastNode> {
    const { env, metrics = true } = options
    const [redis, postgres, config] = await Promise.all([
      this.redis(),
      this.postgres(),
      this.#config(metrics),
    ])
    const services = { redisUrl: redis.url, databaseUrl: postgres.url, config }
    await this.#only('migrations', () => migrate(services))
    const profile = this.#profileTo && `--cpu-prof --cpu-prof-dir=${this.#profileTo}`
    const nodeOptions = [options.nodeOptions, profile].filter(Boolean).join(' ')
    const settings = { ...services, ...(env && { env }), ...(nodeOptions === '' ? {} : { nodeOptions }) }
    return this.#make(
      () => startNode(settings, this.#log),
      node => node.stop(),
    )
  }

  /** A process that runs `file` (relative to `bench/`) and answers calls. */
  remote<H extends Handlers>(file: string, execArgv: readonly string[] = []): Promise<Remote<H>> {
    return this.#make(
      async () => new Remote<H>(new URL(`../${file}`, import.meta.url), [], execArgv),
      remote => remote.stop(),
    )
  }

  /** One process per core that keeps it awake; returns how to end them. */
  async spinners(): Promise<() => Promise<void>> {
    const all = await Promise.all(cpus().map(() => this.remote<SpinnerHandlers>('stage/spinner.ts')))
    await Promise.all(all.map(spinner => spinner.call('spin', undefined)))
    return async () => {
      await Promise.all(all.map(spinner => spinner.stop()))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }

  #config(metrics: boolean): Promise<string> {
    return this.#only(`config ${metrics}`, async () => {
      const file = join(await this.directory, metrics ? 'holdfast.json' : 'holdfast-without-metrics.json')
      await writeFile(file, JSON.stringify({ ...nodeConfig, http: { ...nodeConfig.http, metrics } }))
      return file
    })
  }

  #only<T>(name: string, start: () => Promise<T>): Promise<T> {
    const made = this.#once.get(name) ?? start()
    this.#once.set(name, made)
    return made as Promise<T>
  }

  async #make<T>(start: () => Promise<T>, stop: (made: T) => Promise<void>): Promise<T> {
    const made = await start()
    if (this.#stack.disposed) {
      await stop(made)
      throw new Error('the benchmark is being stopped')
    }
    this.#stack.defer(() => stop(made))
    return made
  }
}

const everyone = ['anonymous', 'client'] as const
/** Above every load, and not off: what the limits cost is measured too. */
const beyond = { perSecond: 1_000_000 }
const nodeConfig = {
  http: { host: '127.0.0.1' },
  auth: { insecure: true },
  api: { key: 'bench' },
  log: { level: 'warn' },
  limits: {
    rates: {
      connectionFrames: beyond,
      connectionCommands: beyond,
      connectionPublications: beyond,
      userCommands: beyond,
      userPublications: beyond,
    },
  },
  defaults: { publicationRate: beyond },
  namespaces: {
    load: { tier: 'realtime', allow: { subscribe: everyone, publish: everyone } },
    facts: {
      tier: 'durable',
      replay: { maxPushed: 1_000_000 },
      allow: { subscribe: everyone, publish: everyone, append: everyone, history: everyone },
    },
  },
}
