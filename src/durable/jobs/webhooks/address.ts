import ipaddr from 'ipaddr.js'

/**
 * Public by its number, and yet the inside of a machine: the agent of Azure, which hands out a machine's secrets. The
 * others of its kind lie in ranges that are refused as a whole (169.254.169.254, 100.100.100.200, fd00:ec2::254).
 */
const metadataAddresses: readonly string[] = ['168.63.129.16']

/**
 * Why a webhook may not connect to an IP address; undefined where it may. Only what is routed through the public
 * internet may be reached: every range with another meaning is refused, also those that carry an IPv4 address inside.
 */
export function refusalOf(address: string): string | undefined {
  if (!ipaddr.isValid(address)) return 'no IP address'
  // An IPv4 address written as IPv6 (::ffff:10.0.0.1) is judged as what it is.
  const parsed = ipaddr.process(address)
  if (metadataAddresses.includes(parsed.toString())) return 'metadata'
  const range = parsed.range()
  if (range !== 'unicast') return range
  // `unicast` is also what has no name of its own, such as ::7f00:1, the IPv4-compatible form of 127.0.0.1.
  return parsed instanceof ipaddr.IPv6 && !parsed.match(ipaddr.IPv6.parseCIDR('2000::/3'))
    ? 'not global'
    : undefined
}
