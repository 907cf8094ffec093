import { describe, expect, it } from 'vitest'
import { Breakers } from '../resilience/index.ts'
import { watchChanges } from './changes.ts'
import { lostVerdict } from './loss-verdict.ts'
import { MarkBook } from './mark-book.ts'
import { overviewOf, tierVerdict } from './overview.ts'
import type { NodeReadings } from './readings.ts'
import type { Mark } from './wire-common.ts'
import type { AuditView, NodeView, ProbeView } from './wire-now.ts'

describe('the verdict', () => {
  const now = 10_000_000
  const node = (audit: Partial<AuditView> | null, heard = true) =>
    ({
      heard,
      sheet: {
        parts: { ledger: 'ready' },
        audit: audit && {
          ...{ lost: 0, checked: 5, mismatches: {}, completedAt: now, wholeFrom: now - 90_000 },
          ...{ everySeconds: 30, ...audit },
        },
      },
    }) as NodeView
  const found = (time: number): Mark => ({
    ...{ id: `${time}`, time, kind: 'audit', node: 'a', says: '', details: { missing: 2 } },
  })

  it('about loss is good only where somebody has looked lately, and never forgets a loss', () => {
    const verdict = (...nodes: NodeView[]) => lostVerdict(nodes, now, []).verdict
    expect(verdict(node({}), node(null))).toBe('good')
    expect(verdict(node(null))).toBe('unknown')
    expect(verdict(node({ completedAt: null }))).toBe('unknown')
    expect(verdict(node({ completedAt: now - 150_001 }))).toBe('unknown')
    expect(verdict(node({ completedAt: now - 900_000, everySeconds: 1_200 }))).toBe('good')
    expect(verdict(node({}), node({ lost: 1 }, false))).toBe('bad')
  })

  it('about loss outlives who has found it, until a whole pass that began later has not found it', () => {
    const verdict = (nodes: NodeView[], ...marks: Mark[]) => lostVerdict(nodes, now, marks)
    const restarted = node({ wholeFrom: null })
    expect(verdict([restarted], found(now - 80_000))).toMatchObject({ verdict: 'bad', lost: 2 })
    expect(verdict([node({})], found(now - 80_000))).toMatchObject({ verdict: 'bad', lost: 2 })
    expect(verdict([node(null)], found(now - 80_000))).toMatchObject({ verdict: 'bad', lost: 2 })
    expect(verdict([node({})], found(now - 100_000))).toMatchObject({ verdict: 'good', lost: 0 })
    expect(lostVerdict([node({})], now, null).verdict).toBe('unknown')
  })

  it('about loss outlives also who has found it a moment before its end', () => {
    const told: Mark[] = []
    let lost = 0
    let find = (_: number): void => undefined
    const end = watchChanges({
      marks: new MarkBook({ nodeName: 'a', tell: mark => told.push(mark) }),
      nodeName: 'a',
      breakers: new Breakers(),
      readings: {
        health: () => ({ parts: { ledger: 'ready' } }) as ReturnType<NodeReadings['health']>,
        audit: () => ({ lost }) as ReturnType<NodeReadings['audit']>,
        onLoss: heard => {
          find = heard
        },
      },
      ledger: undefined,
    })
    lost = 2
    find(lost)
    // Its turn ends, and with it what it knows.
    lost = 0
    end()
    expect(told).toMatchObject([{ kind: 'audit', details: { missing: 2 } }])
  })

  it('about loss says what was looked at, and knows nothing while the ledger is silent', () => {
    expect(lostVerdict([node({ wholeFrom: null })], now, []).says).toContain('newest 100 events')
    expect(lostVerdict([node({})], now, []).says).toContain('Everything')
    const [cut, other] = [node({}), node({}, false)]
    Object.assign(cut.sheet.parts, { ledger: 'unreachable' })
    expect(lostVerdict([cut, other], now, []).verdict).toBe('unknown')
    expect(lostVerdict([cut, node(null)], now, []).verdict).toBe('good')
  })

  it('about a tier is what its canaries saw, and unknown where they saw nothing', () => {
    const probe = (more: Partial<ProbeView>): ProbeView => ({
      ...{ node: 'a', tier: 'durable', path: 'local', succeeded: 0, failed: 0, degraded: 0 },
      ...{ latencyMs: null, at: null, reason: null, ...more },
    })
    const verdict = (...probes: Partial<ProbeView>[]) => tierVerdict(probes.map(probe)).verdict
    expect(verdict({ succeeded: 9 })).toBe('good')
    expect(verdict({ succeeded: 9 }, { path: 'other', failed: 3 })).toBe('bad')
    expect(verdict({ succeeded: 9, failed: 1 })).toBe('degraded')
    expect(verdict({ succeeded: 9 }, { path: 'other', succeeded: 20, degraded: 1 })).toBe('degraded')
    expect(verdict({})).toBe('unknown')
    expect(verdict()).toBe('unknown')
    const failing = [
      probe({ path: 'other', failed: 3, reason: 'unheard' }),
      probe({ path: 'accept', failed: 1 }),
    ]
    expect(tierVerdict(failing).says).toBe(
      'Does not deliver: delivery from a to other nodes (unheard), what a accepts.',
    )
  })

  it('about signals is that they stay within a node without a bus, though it has heard of no other to try', () => {
    const probe = { tier: 'realtime', path: 'local', succeeded: 9, failed: 0, degraded: 0 } as ProbeView
    const realtime = (bus: string, more: Partial<ProbeView> = {}) => {
      const sheet = { name: 'a', parts: { bus }, probes: [{ ...probe, ...more }], readOnly: [] }
      const view = { heard: true, sheet: { ...sheet, audit: null } } as unknown as NodeView
      const marks = { value: null, source: 'postgres', at: null, problem: null } as const
      return overviewOf([view], [], marks, []).tiers.realtime
    }
    expect(realtime('ready').verdict).toBe('good')
    expect(realtime('unreachable')).toMatchObject({
      verdict: 'degraded',
      says: 'Within each node only: no bus between a and other nodes.',
    })
    expect(realtime('unreachable', { failed: 10 }).verdict).toBe('bad')
  })
})
