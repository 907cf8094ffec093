import type { Centrifuge } from 'centrifuge'
import { abortable } from './abortable.ts'
import type { Clock } from './clock.ts'
import { clientError, codes, HoldfastClientError } from './errors.ts'
import type { Report } from './report.ts'

export interface ReadParts {
  readonly sdk: Centrifuge
  readonly clock: Clock
  readonly report: Report
  /** A call had no reply although there is a connection. */
  readonly probe: () => void
}

/**
 * Reads again over temporary errors, missing replies and lost connections, for as long as it takes.
 * @throws HoldfastClientError where reading again cannot help; the signal's reason once it is aborted
 */
export async function persistentRead<T>(
  channel: string,
  read: () => Promise<T>,
  parts: ReadParts,
  signal: AbortSignal,
): Promise<T> {
  const { sdk, clock, report, probe } = parts
  for (let failures = 0; ; failures++) {
    refuseDisconnected(sdk, channel)
    try {
      return await abortable(read(), signal)
    } catch (thrown) {
      signal.throwIfAborted()
      refuseDisconnected(sdk, channel)
      const error = clientError(thrown)
      if (!error.temporary) throw error
      if (error.code === codes.timeout && sdk.state === 'connected') probe()
      // Below 100 the connection was lost, which is told elsewhere.
      if (error.code >= codes.internal) report(error, { kind: 'retrying', channel })
    }
    await abortable(pause(clock, failures), signal)
  }
}

/** @throws HoldfastClientError `codes.disconnected` where nothing will ever come */
export function refuseDisconnected(sdk: Centrifuge, channel: string): void {
  if (sdk.state !== 'disconnected') return
  throw new HoldfastClientError(
    codes.disconnected,
    `${channel} cannot be read: the client is not connected; call connect() first`,
  )
}

const firstPauseMs = 50
const longestPauseMs = 5_000

/** Longer with each failure, and spread by chance, so that many clients do not come again at once. */
export function pause(clock: Clock, failures: number): Promise<void> {
  const longest = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures, 20))
  return new Promise(resolve => clock.after(longest * (0.5 + clock.random() / 2), resolve))
}
