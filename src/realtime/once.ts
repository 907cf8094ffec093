import { HoldfastError } from '../domain/index.ts'
import { encodeMessage } from './envelope.ts'
import type { Keys } from './keys.ts'
import type { RedisLink } from './redis-link.ts'

/** How long a publication's idempotency key is remembered. */
export const publishMemoryMs = 5 * 60_000

/** No node's id, so that every node takes the message, the sending one included. */
const nobody = '-'

/**
 * Publishes a line unless one with the same idempotency key was published before. Remembering and publishing are
 * one act in Redis, so this node's own subscribers get it over the bus too. Resolves to `unsent` when Redis is
 * known to be away, so that nobody has got it.
 * @throws HoldfastError DEPENDENCY_TIMEOUT, DEPENDENCY_FAILED (it may have been published)
 */
export async function publishOnce(
  link: RedisLink | undefined,
  keys: Keys,
  message: { channel: string; line: string; idempotencyKey: string },
): Promise<'settled' | 'unsent'> {
  if (!link?.passing) return 'unsent'
  const { channel, line, idempotencyKey } = message
  const outcome = await link.call(scripts =>
    scripts.publishOnce({
      memoryKey: keys.memory(channel, idempotencyKey),
      memoryMs: publishMemoryMs,
      notAfter: link.notAfter(),
      busChannel: keys.bus(channel),
      message: encodeMessage(nobody, 'all', 1, line),
    }),
  )
  link.learnClock(outcome.clock)
  if (outcome.kind === 'late') {
    throw new HoldfastError('DEPENDENCY_TIMEOUT', 'redis got the publication too late')
  }
  return 'settled'
}
