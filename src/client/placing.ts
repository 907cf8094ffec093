import type { Clock } from './clock.ts'
import { clientError, codes } from './errors.ts'
import type { Answer } from './feed.ts'
import type { Place } from './follower.ts'
import { pause } from './persistent-read.ts'

/**
 * Whether a reader that begins may take the answer's position for the channel's head. Not where it shares the
 * subscription with others: what they have asked for, or have got so far, lies behind the head, and a place above it
 * is not yet one that the server has lost.
 */
export function knowsHead(answer: Answer, own: Place | undefined): boolean {
  const { position, recovered, since, late } = answer
  if (!position) return true
  if (!own) return !recovered || since === undefined
  if (own.offset <= position.offset) return true
  return !late && (!recovered || (since?.offset === own.offset && since.epoch === own.epoch))
}

export interface HeadParts {
  readonly clock: Clock
  readonly read: () => Promise<Place>
  /** Whether there still is a subscription to ask for. */
  readonly wanted: () => boolean
}

/** The head, asked for until it is known; undefined where it may not be read, or nobody wants it any more. */
export async function askHead({ clock, read, wanted }: HeadParts): Promise<Place | undefined> {
  for (let failures = 0; wanted(); failures++) {
    try {
      return await read()
    } catch (thrown) {
      const error = clientError(thrown)
      if (!error.temporary && error.code !== codes.disconnected) return undefined
    }
    await pause(clock, failures)
  }
  return undefined
}
