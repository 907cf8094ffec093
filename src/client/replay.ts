import { codes, HoldfastClientError } from './errors.ts'
import { Follower, type Item, type Place, type Reset } from './follower.ts'
import { Handoff } from './handoff.ts'
import { pageSize, past } from './past.ts'
import { type ReadParts, refuseDisconnected } from './persistent-read.ts'
import { type SubscribeParts, subscribe } from './subscription.ts'
import type { Received } from './types.ts'

export interface ReplayOptions {
  /**
   * Events after this place: an offset (0 is before the first), a saved position (which notices a new epoch), or
   * `start` (the default), before the oldest event there still is.
   */
  readonly since?: number | Place | 'start'
  /**
   * The last offset that is wanted. Without it, or with `head`: the channel's head at the moment when the replay
   * begins, so that it ends on a busy channel too; with `live` nothing ends it.
   */
  readonly until?: number | 'head'
  /** At most so many events; no bound by default. */
  readonly limit?: number
  /**
   * Goes on with what is recorded from then on, without a gap, until `until` or `limit` is reached or the loop is left.
   */
  readonly live?: boolean
  /**
   * What a gap that cannot be closed does: `throw` (the default) ends the replay with `codes.unrecoverablePosition`
   * and `error.reset`; `skip` goes on with the first event there is.
   */
  readonly onReset?: 'throw' | 'skip'
  /** Ends the replay: the loop throws the signal's reason. */
  readonly signal?: AbortSignal
}

export type ReplayParts = ReadParts & SubscribeParts

type Run = ReplayParts & {
  readonly channel: string
  readonly since: Place | 'start'
  readonly signal: AbortSignal
}

/** @throws HoldfastClientError `codes.badRequest` at once, and while it is read what `Channel.replay` says */
export function replay(
  channel: string,
  options: ReplayOptions,
  parts: ReplayParts,
): AsyncGenerator<Received, void, undefined> {
  const { since = 'start', until = 'head', limit = Number.POSITIVE_INFINITY } = options
  const from = typeof since === 'number' ? { offset: since, epoch: '' } : since
  if (from !== 'start') expectWhole('since', from.offset, 0)
  if (until !== 'head') expectWhole('until', until, 0)
  if (limit !== Number.POSITIVE_INFINITY) expectWhole('limit', limit, 1)
  const last = until === 'head' ? Number.POSITIVE_INFINITY : until
  return events({ channel, since: from, last, limit, options, parts })
}

interface Wish {
  readonly channel: string
  readonly since: Place | 'start'
  readonly last: number
  readonly limit: number
  readonly options: ReplayOptions
  readonly parts: ReplayParts
}

async function* events(wish: Wish): AsyncGenerator<Received, void, undefined> {
  const { channel, since, last, limit, options, parts } = wish
  const { breath } = parts
  // Ends what is under way when the loop is left, in whatever way.
  const ending = new AbortController()
  const abort = () => ending.abort(options.signal?.reason)
  options.signal?.addEventListener('abort', abort, { once: true })
  if (options.signal?.aborted) abort()
  let left = limit
  try {
    for await (const items of batches(wish, { ...parts, channel, since, signal: ending.signal })) {
      for (const item of items) {
        if (item.kind === 'reset') {
          if (options.onReset !== 'skip') throw resetError(channel, item.reset)
          continue
        }
        const { offset = 0 } = item.event
        if (offset > last) return
        if (breath.due()) await breath.pause()
        ending.signal.throwIfAborted()
        yield item.event
        if (--left === 0 || offset === last) return
      }
    }
  } finally {
    options.signal?.removeEventListener('abort', abort)
    ending.abort()
  }
}

async function* batches(
  { last, limit, options }: Wish,
  run: Run,
): AsyncGenerator<readonly Item<Received>[], void, undefined> {
  const { channel, signal } = run
  const since = run.since === 'start' ? { offset: 0, epoch: '' } : run.since
  if (since.offset >= last) return
  const follower = new Follower<Received>({ since: run.since, afterReset: 'start' })
  try {
    yield* past({ channel, follower, since, until: last, limit, signal, parts: run })
  } catch (error) {
    if (!(error instanceof HoldfastClientError) || error.code !== codes.permissionDenied) throw error
    // The server pushes some of the past to whoever may subscribe; what is more is told as a reset.
    if (!options.live) throw notPermitted(channel)
  }
  const at = follower.place
  if (options.live && (at?.offset ?? 0) < last) yield* following({ ...run, since: at ?? run.since })
}

/** The channel's subscription as a sequence, at the pace of whoever takes. */
async function* following(run: Run): AsyncGenerator<readonly Item<Received>[], void, undefined> {
  const { sdk, channel, signal, since } = run
  refuseDisconnected(sdk, channel)
  const handoff = new Handoff<Item<Received>>()
  const disconnected = ({ reason }: { reason: string }) =>
    handoff.fail(new HoldfastClientError(codes.disconnected, `the connection has ended (${reason})`))
  const aborted = () => handoff.fail(signal.reason)
  sdk.on('disconnected', disconnected)
  signal.addEventListener('abort', aborted, { once: true })
  const subscription = subscribe(
    channel,
    {
      since,
      afterReset: 'start',
      maxWaiting: pageSize,
      onEvent: event => handoff.put({ kind: 'event', event, epoch: event.position?.epoch ?? '' }),
      onReset: reset => handoff.put({ kind: 'reset', reset }),
      onUnsubscribed: error => handoff.fail(error),
    },
    run,
  )
  try {
    for (;;) yield [await handoff.take()]
  } finally {
    subscription.unsubscribe()
    sdk.removeListener('disconnected', disconnected)
    signal.removeEventListener('abort', aborted)
  }
}

function resetError(channel: string, reset: Reset): HoldfastClientError {
  const { reason, lost, position } = reset
  if (reason === 'history_refused') return notPermitted(channel)
  const what = {
    retention: `events ${lost?.from} to ${lost?.to} are no longer kept`,
    epoch_changed: 'the numbering began anew, so the place to go on from means nothing any more',
    ahead: 'the place to go on from lies above the head',
  }[reason]
  const next = `the first event there is has offset ${position.offset + 1}`
  return new HoldfastClientError(codes.unrecoverablePosition, `${channel}: ${what}; ${next}`, { reset })
}

function notPermitted(channel: string): HoldfastClientError {
  return new HoldfastClientError(
    codes.permissionDenied,
    `${channel} cannot be replayed: reading the past needs the permission "history"`,
  )
}

function expectWhole(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return
  throw new HoldfastClientError(
    codes.badRequest,
    `expected a whole number from ${least} on as ${name}, got ${value}`,
  )
}
