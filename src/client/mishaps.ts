import { codes, HoldfastClientError } from './errors.ts'
import type { Item, Reset } from './follower.ts'
import type { Report } from './report.ts'
import type { Gap, Received, SubscribeOptions } from './types.ts'

/** Why a reader has stopped at what its handler failed at. */
export function poisoned(channel: string, item: Item<Received>, error: unknown): HoldfastClientError {
  const at = item.kind === 'event' ? `event ${item.event.offset ?? item.event.type}` : 'a gap'
  return new HoldfastClientError(codes.poisoned, `${channel} is stopped: its handler failed at ${at}`, {
    cause: error,
  })
}

/** To whoever listens; where nobody does, as an error. */
export function tellReset(
  channel: string,
  reset: Reset,
  options: SubscribeOptions<Received>,
  { report, onGap }: { readonly report: Report; readonly onGap: (gap: Gap) => boolean },
): unknown {
  const heard = onGap({ channel, ...reset })
  if (options.onReset) return options.onReset(reset)
  if (heard) return undefined
  const after = `${channel} goes on after offset ${reset.position.offset}`
  report(new Error(`events are missed for good (${reset.reason}): ${after}`), {
    kind: 'reset',
    channel,
    reset,
  })
  return undefined
}
