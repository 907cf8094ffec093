import { once } from 'node:events'
import { Redis } from 'ioredis'
import type { LocalRedis } from '../../src/cli/services/local-redis.ts'

/** A Redis of its own at an address that stays, whatever is done to its process. */
export interface KillableRedis {
  readonly port: number
  /** A connection of the test's own, to this server alone. */
  readonly redis: Redis
  readonly running: boolean
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>
  /** After `kill`: empty. */
  startAgain(): Promise<void>
  /** SIGSTOP: connections stand, and nothing answers. */
  hang(): void
  goOn(): void
  stop(): Promise<void>
}

/** `start` is called again after each kill. */
export async function killableRedis(
  port: number,
  start: (again: boolean) => Promise<LocalRedis>,
): Promise<KillableRedis> {
  let local: LocalRedis | undefined = await start(false)
  const redis = new Redis(port, '127.0.0.1', { retryStrategy: () => 50, maxRetriesPerRequest: 40 })
  redis.on('error', () => undefined)
  return {
    port,
    redis,
    get running() {
      return local !== undefined
    },
    async kill() {
      const ended = local && once(local.process, 'exit')
      local?.process.kill('SIGKILL')
      await ended
      local = undefined
    },
    async startAgain() {
      local = await start(true)
    },
    hang: () => void local?.process.kill('SIGSTOP'),
    goOn: () => void local?.process.kill('SIGCONT'),
    async stop() {
      await local?.stop()
    },
  }
}
