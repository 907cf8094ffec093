import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { addressKey, clientAddress } from './client-address.ts'

const request = (peer: string | undefined, forwarded?: string) =>
  ({
    socket: { remoteAddress: peer },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage

describe('the address of a client', () => {
  it('is the peer’s, whatever the header says, where no proxy is trusted', () => {
    const of = clientAddress([])
    expect(of(request('203.0.113.9', '198.51.100.1'))).toBe('203.0.113.9')
    expect(of(request('::ffff:203.0.113.9'))).toBe('203.0.113.9')
    expect(of(request(undefined))).toBeUndefined()
  })

  const of = clientAddress(['10.0.0.0/8', '192.0.2.7', '2001:db8:ffff::/48'])

  it.each([
    ['a stranger’s header is not believed', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['a proxy’s is', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['over an IPv6 socket', '::ffff:10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['what the client wrote before it is not', '10.1.2.3', '1.1.1.1, 198.51.100.1', '198.51.100.1'],
    ['through several proxies', '10.1.2.3', '1.1.1.1, 198.51.100.1, 192.0.2.7', '198.51.100.1'],
    ['of nothing but proxies the farthest', '10.1.2.3', '10.9.9.9, 192.0.2.7', '10.9.9.9'],
    ['rubbish ends the trust', '10.1.2.3', '198.51.100.1, unknown, 192.0.2.7', '192.0.2.7'],
    ['without a header the proxy itself', '10.1.2.3', undefined, '10.1.2.3'],
    ['with a port', '10.1.2.3', '198.51.100.1:5123', '198.51.100.1'],
    ['IPv6 with brackets and port', '2001:db8:ffff::1', '[2001:db8::5]:443', '2001:db8::5'],
  ])('%s', (_, peer, forwarded, expected) => {
    expect(of(request(peer, forwarded))).toBe(expected)
  })

  it('counts as itself, or as its network where it is IPv6', () => {
    expect(addressKey('198.51.100.1')).toBe('198.51.100.1')
    expect(addressKey('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64')
    expect(addressKey('2001:db8:1:2::9')).toBe('2001:db8:1:2::/64')
    expect(addressKey('2001:0DB8:0001:2::9')).toBe('2001:db8:1:2::/64')
    expect(addressKey('2001:db8::9')).toBe('2001:db8:0:0::/64')
    expect(addressKey('::1')).toBe('0:0:0:0::/64')
    expect(addressKey('fe80::1%eth0')).toBe('fe80:0:0:0::/64')
  })
})
