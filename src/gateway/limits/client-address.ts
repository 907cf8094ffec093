import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

/** Who a connection comes from; undefined where nobody can tell. */
export type ClientAddress = (request: IncomingMessage) => string | undefined

/**
 * The socket's peer; or, where that is a trusted proxy, the last address in `X-Forwarded-For` that is not one: what
 * stands before it in the header anybody may have written.
 * @param trustedProxies addresses and networks (`10.0.0.0/8`)
 */
export function clientAddress(trustedProxies: readonly string[]): ClientAddress {
  const trusted = new BlockList()
  for (const each of trustedProxies) {
    const [address = '', bits] = each.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) trusted.addAddress(address, family)
    else trusted.addSubnet(address, Number(bits), family)
  }
  const isTrusted = (address: string) => trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')

  return request => {
    const peer = plain(request.socket.remoteAddress ?? '')
    if (peer === undefined || trustedProxies.length === 0 || !isTrusted(peer)) return peer
    let nearest = peer
    const forwarded = [request.headers['x-forwarded-for'] ?? []].flat().join(',')
    for (const hop of forwarded.split(',').reverse()) {
      const address = plain(hop.trim())
      if (address === undefined) break
      nearest = address
      if (!isTrusted(address)) break
    }
    return nearest
  }
}

/** Without a port, and IPv4 as itself where it came over an IPv6 socket; undefined for what is no address. */
function plain(text: string): string | undefined {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
  const address = /^::ffff:([\d.]+)$/i.exec(bare)?.[1] ?? bare
  return isIP(address) === 0 ? undefined : address
}

/**
 * The name under which an address is counted. Of IPv6 the network: whoever has one address there has all of its 2^64.
 */
export function addressKey(address: string): string {
  if (isIP(address) !== 6) return address
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0')
  const groups = tail === undefined ? before : [...before, ...zeros, ...after]
  return `${groups
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
