import { describe, expect, it } from 'vitest'
import { MemoryRouter } from '../../test/support/gateway.ts'
import { parseConfig } from '../platform/index.ts'
import { createHealth, type HealthOptions } from './health.ts'
import type { Router } from './types.ts'

type Load = ReturnType<HealthOptions['load']>
type Status = ReturnType<Router['status']>

function statusOf(
  state: { bus?: Status['bus'] } & Partial<Status['durable']>,
  draining = false,
  durable = true,
  load: Load = { busy: [], late: false },
) {
  const namespaces = parseConfig({
    namespaces: durable ? { order: { tier: 'durable' } } : { room: {} },
  }).namespaces
  const router = new MemoryRouter(namespaces)
  const { bus = 'ready', ...rest } = state
  router.state = { ...router.state, bus, durable: { ledger: 'ready', mirror: 'ready', epoch: 'e1', ...rest } }
  return createHealth({ router, namespaces, draining: () => draining, load: () => load })()
}

describe('health', () => {
  it.each([
    ['ready when everything works', {}, 'ready'],
    ['degraded while other nodes cannot be reached', { bus: 'unreachable' }, 'degraded'],
    ['degraded while the mirror is away', { mirror: 'unreachable' }, 'degraded'],
    ['degraded while the mirror heals', { mirror: 'healing' }, 'degraded'],
    ['degraded while all of Redis is away', { bus: 'unreachable', mirror: 'unreachable' }, 'degraded'],
    ['unavailable while Postgres is away', { ledger: 'unreachable' }, 'unavailable'],
    ['unavailable while the ledger is behind its mirror', { ledger: 'behind_mirror' }, 'unavailable'],
    ['unavailable while the ledger takes no writes', { ledger: 'read_only' }, 'unavailable'],
  ] as const)('is %s', (_, state, expected) => {
    const health = statusOf(state)
    expect(health.status).toBe(expected)
    expect(health.degraded).toBe(expected !== 'ready')
  })

  it('does not ask for a ledger where no namespace is durable', () => {
    expect(statusOf({ ledger: 'unreachable', mirror: 'unreachable' }, false, false).status).toBe('ready')
  })

  it('is degraded and not unavailable while the node is overloaded, else every node would be taken out', () => {
    const health = statusOf({}, false, true, { busy: ['event_loop'], late: true })
    expect(health).toMatchObject({ status: 'degraded', degraded: true, parts: { busy: ['event_loop'] } })
  })

  it('does not take a ledger for away to which the node itself is too late', () => {
    const load: Load = { busy: [], late: true }
    expect(statusOf({ ledger: 'unreachable' }, false, true, load).status).toBe('degraded')
    expect(statusOf({ ledger: 'behind_mirror' }, false, true, load).status).toBe('unavailable')
    expect(statusOf({}, true, true, load).status).toBe('unavailable')
  })

  it('is unavailable while the node drains', () => {
    expect(statusOf({}, true)).toEqual({
      status: 'unavailable',
      degraded: true,
      parts: { bus: 'ready', mirror: 'ready', ledger: 'ready', epoch: 'e1', draining: true, busy: [] },
    })
  })
})
