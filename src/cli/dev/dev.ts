import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Backing, postgresBacking, redisBacking } from './backing-services.ts'
import { CalmOutput } from './calm-line.ts'
import { KeptProcess, type Running } from './kept-process.ts'
import { runProgram, startNode, stopProgram } from './own-program.ts'
import { bringPages } from './pages.ts'
import { choosePorts, devHost } from './ports.ts'
import { asksToStopRedis, redisAwayMs, type Stage, stageVariable } from './stage.ts'
import { type StartLock, takeStartLock } from './start-lock.ts'
import { packageFolder, stateFolder } from './state-folder.ts'
import { summary } from './summary.ts'

export interface DevOptions {
  /** Whether to feed the earthquakes. */
  readonly quakes: boolean
  /** Where its own servers keep their data; by default `.holdfast`. */
  readonly folder?: string
}

const command = join(packageFolder, 'bin/holdfast')
const feeder = join(packageFolder, 'scripts/feed-quakes.ts')

/**
 * Everything there is to try, on this machine alone: Postgres, Redis, two nodes and a feeder. Things start in
 * order, stop in reverse, and what ends by itself is started again.
 */
export class Dev {
  readonly #options: DevOptions
  readonly #onGiveUp: (reason: string) => void
  readonly #output = new CalmOutput(line => console.log(line))
  readonly #backings = new Map<string, KeptProcess>()
  readonly #nodes = new Map<string, KeptProcess>()
  #feeder: ChildProcess | undefined
  #lock: StartLock | undefined
  #stopped: Promise<void> | undefined

  constructor(options: DevOptions, onGiveUp: (reason: string) => void) {
    this.#options = options
    this.#onGiveUp = onGiveUp
  }

  /** @throws CliError and others where something does not start; `stop` must be called then too */
  async start(env: NodeJS.ProcessEnv): Promise<void> {
    const folder = stateFolder(this.#options.folder)
    this.#lock = await takeStartLock(folder, tell)
    const ports = await choosePorts(env)
    const postgres = await postgresBacking(env, folder, tell)
    const redis = await redisBacking(env, tell)
    await Promise.all([
      this.#keepBacking('Postgres', postgres),
      this.#keepBacking('Redis', redis),
      bringPages(tell),
    ])
    if (this.#stopped) return
    await bringSchema(postgres.url)
    const addresses = ports.map(port => `http://localhost:${port}`)
    const stage: Stage = { nodes: addresses, ownRedis: redis.start !== undefined }
    const nodeEnv = nodeEnvironment({ env, postgres, redis, stage })
    await Promise.all(ports.map(port => this.#keepNode(port, nodeEnv)))
    if (this.#stopped) return
    const feeding = this.#options.quakes && existsSync(feeder)
    console.log(summary({ ports, postgres, redis, apiKey: env['HOLDFAST_API_KEY'], feeding }))
    if (feeding) this.#startFeeder(nodeEnv, ports[0])
  }

  /** Stops everything that was started: feeder and nodes first, then what they use. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll()
    return this.#stopped
  }

  async #stopAll(): Promise<void> {
    await Promise.all([
      this.#feeder && stopProgram(this.#feeder),
      ...[...this.#nodes.values()].map(node => node.stop()),
    ])
    await Promise.all([...this.#backings.values()].map(backing => backing.stop()))
    this.#lock?.release()
  }

  async #keepBacking(name: string, backing: Backing): Promise<void> {
    if (backing.start) await this.#keep(this.#backings, name, backing.start)
  }

  #keepNode(port: number, env: NodeJS.ProcessEnv): Promise<void> {
    const line = (text: string) => this.#output.line(String(port), text)
    const own = {
      HOLDFAST_PORT: String(port),
      HOLDFAST_CONSOLE_URL: `http://localhost:${port}/console/`,
    }
    const start = () => startNode({ command, env: { ...env, ...own }, line })
    return this.#keep(this.#nodes, `the node on port ${port}`, start)
  }

  #keep(among: Map<string, KeptProcess>, name: string, start: () => Promise<Running>): Promise<void> {
    const kept = new KeptProcess({
      name,
      start,
      tell,
      onStart: process => {
        if (process.pid !== undefined) this.#lock?.record(name, process.pid)
        process.on('message', message => asksToStopRedis(message) && this.#stopRedis())
      },
      onGiveUp: this.#onGiveUp,
    })
    among.set(name, kept)
    return kept.start()
  }

  #stopRedis(): void {
    if (this.#backings.get('Redis')?.pause(redisAwayMs))
      tell(`Redis is stopped for ${redisAwayMs / 1_000} seconds`)
  }

  /** An application of its own: it knows the node's address and its API key, nothing else. */
  #startFeeder(env: NodeJS.ProcessEnv, port: number): void {
    this.#feeder = runProgram({
      args: [feeder],
      env: { ...env, HOLDFAST_API: `http://${devHost}:${port}/api` },
      line: text => console.log(`[quakes] ${text}`),
    })
    if (this.#feeder.pid !== undefined) this.#lock?.record('the feeder', this.#feeder.pid)
  }
}

async function bringSchema(url: string): Promise<void> {
  const { migrate } = await import('../../durable/index.ts')
  await migrate(url)
}

/** A module beside this one, which is TypeScript in a checkout and JavaScript in a package. */
const devConfig = fileURLToPath(new URL(`dev-node${extname(import.meta.url)}`, import.meta.url))

function nodeEnvironment(of: {
  env: NodeJS.ProcessEnv
  postgres: Backing
  redis: Backing
  stage: Stage
}): NodeJS.ProcessEnv {
  const { env, postgres, redis, stage } = of
  return {
    ...env,
    HOLDFAST_CONFIG: env['HOLDFAST_CONFIG'] || devConfig,
    // Everyone may do everything here, so nobody else may get in.
    HOLDFAST_HOST: devHost,
    REDIS_URL: redis.url,
    DATABASE_URL: postgres.url,
    [stageVariable]: JSON.stringify(stage),
  }
}

function tell(line: string): void {
  console.log(`holdfast: ${line}`)
}
