import { encodeMarked } from './envelope.ts'
import { fateOf } from './fate.ts'
import type { Keys } from './keys.ts'
import type { RedisLink } from './redis-link.ts'

/** How long a publication's idempotency key is remembered. */
export const publishMemoryMs = 5 * 60_000

/**
 * Publishes a line unless one with the same idempotency key was published before. Remembering and publishing are
 * one act in Redis.
 * `unsent`: Redis is known to be away, or has refused it, so nobody has got it. `doubtful`: Redis has not answered in
 * time; it may have published it, and will not do so later.
 */
export async function publishOnce(
  link: RedisLink | undefined,
  keys: Keys,
  message: {
    channel: string
    line: string
    idempotencyKey: string
    mark: string
    trace?: string | undefined
  },
): Promise<'published' | 'known' | 'unsent' | 'doubtful'> {
  if (!link?.prompt) return 'unsent'
  const { channel, line, idempotencyKey, mark, trace } = message
  try {
    const outcome = await link.ask(scripts =>
      scripts.publishOnce({
        memoryKey: keys.memory(channel, idempotencyKey),
        memoryMs: publishMemoryMs,
        notAfter: link.notAfter(link.promptMs),
        busChannel: keys.bus(channel),
        message: encodeMarked(mark, link.time(), line, trace),
      }),
    )
    link.learnClock(outcome.clock)
    return outcome.kind === 'late' ? 'unsent' : outcome.kind
  } catch (error) {
    return fateOf(error)
  }
}
