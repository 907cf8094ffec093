import { afterAll, describe, expect, inject, it } from 'vitest'
import type { Measures } from '../chaos/checker.ts'
import { allFaults } from '../chaos/faults/all.ts'
import { holdfast } from '../chaos/holdfast/system.ts'
import type { Run, RunOptions } from '../chaos/run-fault.ts'
import { Chaos } from '../chaos/runner.ts'
import type { Fault, Listener } from '../chaos/types.ts'
import { seeded } from '../support/seeded.ts'

const seed = Number(process.env['HOLDFAST_CHAOS_SEED']) || 1 + Math.floor(Math.random() * 1e6)

/** Always a Redis that hangs, one that comes back empty, and a Postgres that is killed; of the others two by chance. */
const always = ['redis-hangs', 'redis-restarts-empty', 'postgres-killed']
const others = [
  'redis-swallowed',
  'redis-mute',
  'redis-very-slow',
  'redis-read-only',
  'redis-kicks-subscribers',
]
const random = seeded(seed)
const byChance = Array.from({ length: 2 }, () => others.splice(Math.floor(random() * others.length), 1)[0])
const faults = allFaults.filter(({ name }) => always.includes(name) || byChance.includes(name))

const chaos = new Chaos({ system: holdfast, seed, holdMs: 2_500, redisServer: inject('redisServer') })
afterAll(() => chaos[Symbol.asyncDispose]())

async function run(fault?: Fault, more?: Pick<RunOptions, 'baseline' | 'tamper' | 'drainMs'>): Promise<Run> {
  const row = await chaos.row(fault, more)
  if (row.kind === 'failed') throw row.error
  if (row.kind === 'skipped') throw new Error(row.reason)
  return row.run
}

describe(`chaos, seed ${seed} (HOLDFAST_CHAOS_SEED repeats it)`, { timeout: 120_000 }, () => {
  let baseline: Measures | undefined

  it('keeps every promise without a fault', async () => {
    const { verdict } = await run()
    expect(verdict.violations).toEqual([])
    baseline = verdict.measures
  })

  it.each(faults.map(fault => [fault.name, fault] as const))('keeps every promise: %s', async (_, fault) => {
    const { verdict } = await run(fault, baseline && { baseline })
    expect(verdict.violations).toEqual([])
    expect(verdict.events.acknowledged).toBeGreaterThan(50)
  })

  it('finds what is done to deliveries on their way to the record', async () => {
    const { verdict } = await run(undefined, { tamper, drainMs: 10_000 })
    const found = new Map(verdict.violations.map(({ invariant, examples }) => [invariant, examples]))
    expect([...found.keys()].sort()).toEqual([
      'no duplicate',
      'no phantom',
      'nothing stored is missing at a subscriber',
      'one order',
    ])
    expect(found.get('no duplicate')?.[0]).toMatch(/^s1a in room:.*-1: .* came again$/)
    expect(found.get('no phantom')?.[0]).toMatch(/^s0b in order:.*-3: made up came, which nobody sent$/)
    expect(found.get('one order')?.[0]).toMatch(/^s1b in order:.*-2: /)
    expect(found.get('nothing stored is missing at a subscriber')?.[0]).toMatch(
      /^s0a in order:.*-1: 1 missing \(0 at the beginning, 1 between, 0 at the end\)/,
    )
  })
})

/** Loses an event, gives a signal twice, changes the order of two events, and makes one up. */
function tamper(listener: Listener, subscriber: string, { name }: { name: string }): Listener {
  const place = `${subscriber} ${name.replace(/:.*-/, ' ')}`
  let count = 0
  let kept: Parameters<Listener['heard']> | undefined
  return {
    told: () => listener.told(),
    heard(...delivery) {
      count++
      if (place === 's0a order 1' && count === 5) return
      if (place === 's1b order 2' && count === 3) {
        kept = delivery
        return
      }
      listener.heard(...delivery)
      if (place === 's1a room 1' && count === 7) listener.heard(...delivery)
      if (place === 's0b order 3' && count === 4) listener.heard('made up')
      if (kept) listener.heard(...kept)
      kept = undefined
    },
  }
}
