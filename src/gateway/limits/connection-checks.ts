import type { AdmissionCheck } from '../admission.ts'
import { addressKey } from './client-address.ts'
import type { ConnectionCounts } from './connection-counts.ts'
import { KeyedBuckets } from './keyed-buckets.ts'
import { paceOf, type Rate, TokenBucket } from './token-bucket.ts'

export interface ConnectionCheckOptions {
  readonly limits: {
    readonly maxConnections: number
    readonly rates: { readonly newConnections: Rate; readonly newConnectionsPerAddress: Rate }
  }
  readonly openSockets: () => number
  readonly addresses: ConnectionCounts
  readonly now?: () => number
}

/** Of a full node, or of an address that has its share: nobody knows when somebody leaves. */
const fullRetrySeconds = 10

/** How many connections a node takes, and how fast. Those that use something up come last. */
export function connectionChecks(options: ConnectionCheckOptions): AdmissionCheck[] {
  const { openSockets, addresses, now = () => performance.now() } = options
  const { maxConnections, rates } = options.limits
  const nodePace = paceOf(rates.newConnections)
  const node = nodePace && new TokenBucket(nodePace, now())
  const addressPace = paceOf(rates.newConnectionsPerAddress)
  const byAddress = addressPace && new KeyedBuckets(addressPace)

  const checks: (AdmissionCheck | undefined)[] = [
    () =>
      maxConnections > 0 && openSockets() >= maxConnections
        ? { status: 503, retryAfterSeconds: fullRetrySeconds, limit: 'node_connections' }
        : undefined,
    ({ address }) =>
      address === undefined || addresses.has(addressKey(address))
        ? undefined
        : { status: 429, retryAfterSeconds: fullRetrySeconds, limit: 'address_connections' },
    // Of the address before that of the node: one that comes too often must not use up what all share.
    byAddress &&
      (({ address }) =>
        address === undefined || byAddress.of(addressKey(address), now()).tryTake(now())
          ? undefined
          : {
              status: 429,
              retryAfterSeconds: secondsFor(rates.newConnectionsPerAddress),
              limit: 'address_connection_rate',
            }),
    node &&
      (() =>
        node.tryTake(now())
          ? undefined
          : {
              status: 503,
              retryAfterSeconds: secondsFor(rates.newConnections),
              limit: 'node_connection_rate',
            }),
  ]
  return checks.filter(check => check !== undefined)
}

/** Whole seconds until there is one more, at least 1. */
function secondsFor({ perSecond }: Rate): number {
  return Math.max(1, Math.ceil(1 / perSecond))
}
