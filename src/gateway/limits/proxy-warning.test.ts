import type { IncomingMessage } from 'node:http'
import { expect, it } from 'vitest'
import type { Logger } from '../../platform/index.ts'
import { ProxyWarning } from './proxy-warning.ts'

it('is given once, and only where a proxy may stand behind an address that is turned away', () => {
  const lines: string[] = []
  const logger = { warn: (_: object, line: string) => lines.push(line) } as unknown as Logger
  const warning = new ProxyWarning(logger)
  const proxied = { headers: { 'x-forwarded-for': '198.51.100.1' } } as unknown as IncomingMessage
  const direct = { headers: {} } as unknown as IncomingMessage
  warning.turnedAway(direct, '203.0.113.9', 'address_connections')
  warning.turnedAway(proxied, '203.0.113.9', 'node_connections')
  expect(lines).toEqual([])
  warning.turnedAway(proxied, '203.0.113.9', 'address_connection_rate')
  warning.turnedAway(proxied, '203.0.113.9', 'address_connections')
  expect(lines).toEqual([expect.stringContaining('http.trustedProxies')])
})
