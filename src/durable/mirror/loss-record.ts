import type { Missed } from '../ledger/loss-evidence.ts'
import type { LossWatch } from '../ledger/loss-watch.ts'
import { lossKey } from './keys.ts'
import type { LogRedis } from './log-redis.ts'

/** For when all nodes are stopped: one that runs and knows of the loss writes it again. */
const keepMs = 7 * 24 * 3_600_000
const serverField = 'server'
const missedField = 'missed.'

/**
 * Positions only grow. What was missed keeps the first event that can prove it to be back: a later one may be of those who
 * were given the numbers again. In a field of its own beside the positions, because releases that know none ignore it.
 */
const writeLua = `
for i = 2, #ARGV, 2 do
  local field, value = ARGV[i], ARGV[i + 1]
  local there = redis.call('HGET', KEYS[1], field)
  local keep = false
  if there and tonumber(field) then keep = tonumber(there) >= tonumber(value) end
  if there and string.sub(field, 1, 7) == 'missed.' then
    keep = string.find(there, ':', 1, true) or not string.find(value, ':', 1, true)
  end
  if not keep then redis.call('HSET', KEYS[1], field, value) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`

/** Another node may have written another server meanwhile. */
const removeLua = `
if redis.call('HGET', KEYS[1], '${serverField}') == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`

/** What others have written: on which server they have found events to be lost, and what they knew. */
export interface WrittenLoss {
  readonly server: string
  readonly heads: ReadonlyMap<number, number>
  readonly missed: ReadonlyMap<number, Missed>
}

/**
 * A loss of the ledger as it stands in Redis: the server on which it was found, what was known to be recorded, and which
 * events would prove it to be back. So all nodes stop appends when one has noticed, and one that starts knows it too,
 * although the mirror may have been wiped.
 */
export class LossRecord {
  readonly #redis: LogRedis

  constructor(redis: LogRedis) {
    this.#redis = redis
  }

  /**
   * What others have written, if anything. To be learnt by the caller, who knows whether the epoch is still the present one.
   * @throws HoldfastError DEPENDENCY_*
   */
  async read(epoch: string): Promise<WrittenLoss | undefined> {
    const { [serverField]: server, ...fields } = await this.#redis.call(redis =>
      redis.hgetall(lossKey(epoch)),
    )
    if (server === undefined) return undefined
    const heads = new Map<number, number>()
    const missed = new Map<number, Missed>()
    for (const [field, value] of Object.entries(fields)) {
      if (field.startsWith(missedField)) missed.set(Number(field.slice(missedField.length)), parse(value))
      else if (/^\d+$/.test(field)) heads.set(Number(field), Number(value))
    }
    return { server, heads, missed }
  }

  /**
   * Adds what this node knows to what is there.
   * @throws HoldfastError DEPENDENCY_*
   */
  async write(epoch: string, server: string, losses: LossWatch): Promise<void> {
    const known = losses.known()
    if (known.epoch !== epoch) return
    const missed = [...losses.missed].map(([partition, each]) => [missedField + partition, format(each)])
    const fields = [serverField, server, ...[...known.heads].flat(), ...missed.flat()]
    await this.#redis.call(redis => redis.eval(writeLua, 1, lossKey(epoch), keepMs, ...fields))
  }

  /**
   * Takes it back, unless another server is named by now.
   * @throws HoldfastError DEPENDENCY_*
   */
  async remove(epoch: string, server: string): Promise<void> {
    await this.#redis.call(redis => redis.eval(removeLua, 1, lossKey(epoch), server))
  }
}

function format({ head, witness }: Missed): string {
  const end = head === undefined ? '' : String(head)
  return witness ? `${end}:${witness.position}:${witness.id}` : end
}

function parse(value: string): Missed {
  const [head = '', position, id] = value.split(':')
  return {
    ...(head !== '' && { head: Number(head) }),
    ...(position !== undefined && id !== undefined && { witness: { position: Number(position), id } }),
  }
}
