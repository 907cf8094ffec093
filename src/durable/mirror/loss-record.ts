import type { LossWatch } from '../ledger/loss-watch.ts'
import { lossKey } from './keys.ts'
import type { LogRedis } from './log-redis.ts'

/** For when all nodes are stopped: one that runs and knows of the loss writes it again. */
const keepMs = 7 * 24 * 3_600_000
const serverField = 'server'

/**
 * A loss of the ledger as it stands in Redis: the server on which it was found, and what was known to be recorded. So all
 * nodes stop appends when one has noticed, and one that starts knows it too, although the mirror may have been wiped.
 */
export class LossRecord {
  readonly #redis: LogRedis

  constructor(redis: LogRedis) {
    this.#redis = redis
  }

  /**
   * Takes over what others have written. Returns the server that they have found behind, if any.
   * @throws HoldfastError DEPENDENCY_*
   */
  async read(epoch: string, losses: LossWatch): Promise<string | undefined> {
    const fields = await this.#redis.call(redis => redis.hgetall(lossKey(epoch)))
    const { [serverField]: server, ...positions } = fields
    for (const [partition, position] of Object.entries(positions))
      losses.learn(Number(partition), Number(position))
    return server
  }

  /** @throws HoldfastError DEPENDENCY_* */
  async write(epoch: string, server: string, losses: LossWatch): Promise<void> {
    const fields = [serverField, server, ...[...losses.known().heads].flat()]
    await this.#redis.call(async redis => {
      await redis.hset(lossKey(epoch), ...fields)
      await redis.pexpire(lossKey(epoch), keepMs)
    })
  }

  /** @throws HoldfastError DEPENDENCY_* */
  async remove(epoch: string): Promise<void> {
    await this.#redis.call(redis => redis.del(lossKey(epoch)))
  }
}
