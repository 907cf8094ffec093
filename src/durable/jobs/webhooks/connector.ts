import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { Agent, buildConnector } from 'undici'
import { refusalOf } from './address.ts'

/** All addresses of a name. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>

/** A host that webhooks may not reach, so that no connection was made. */
export class AddressRefused extends Error {
  constructor(host: string, refused: readonly string[]) {
    super(`${host} is at no public address (${refused.join(', ')}); allowPrivate: true would permit it`)
    this.name = 'AddressRefused'
  }
}

const connectWithinMs = 10_000
const shownAddresses = 3

/** As the machine resolves names for everything else: its hosts file, its search domains, its servers. */
export const systemResolve: Resolve = hostname => lookup(hostname, { all: true })

/**
 * Connections that reach public addresses only, or any. An open connection is used again for the same origin, so the
 * two never share an agent: what one rule may reach must not be lent to another. Proxies of the environment are not
 * used: behind one, somebody else would resolve the names.
 */
export function webhookAgent(resolve: Resolve, allowPrivate: boolean): Agent {
  const connect = buildConnector({
    allowH2: false,
    timeout: connectWithinMs,
    lookup: checkedLookup(resolve, allowPrivate),
  })
  return new Agent({
    // The deadline of the exchange is the caller's signal.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (options, callback) => {
      // A literal address is connected to without being looked up.
      const reason = allowPrivate || !isIP(options.hostname) ? undefined : refusalOf(options.hostname)
      if (reason === undefined) connect(options, callback)
      else callback(new AddressRefused(options.hostname, [reason]), null)
    },
  })
}

/**
 * The connection is made to what this gives, and nothing is resolved again: a name that changes its mind between the
 * check and the connection gains nothing.
 */
function checkedLookup(resolve: Resolve, allowPrivate: boolean): LookupFunction {
  return (hostname, options, callback) => {
    usableAddresses(hostname, resolve, allowPrivate).then(
      ([first, ...others]) => {
        if (options.all) callback(null, [first, ...others])
        else callback(null, first.address, first.family)
      },
      error => callback(error, []),
    )
  }
}

async function usableAddresses(
  host: string,
  resolve: Resolve,
  allowPrivate: boolean,
): Promise<[LookupAddress, ...LookupAddress[]]> {
  const all = await resolve(host)
  const [first, ...others] = allowPrivate
    ? all
    : all.filter(({ address }) => refusalOf(address) === undefined)
  if (first) return [first, ...others]
  if (all.length === 0) throw new Error(`${host} has no address`)
  const shown = all.slice(0, shownAddresses).map(({ address }) => `${address}: ${refusalOf(address)}`)
  throw new AddressRefused(host, shown)
}
