import { expect, it } from 'vitest'
import { GuardClock } from '../../test/support/guard-clock.ts'
import { seeded } from '../../test/support/seeded.ts'
import type { BreakerState } from './breaker-states.ts'
import { Guard } from './guard.ts'
import type { GuardOptions } from './guard-options.ts'

const deadlineMs = 800
const slowMs = 400
const restMs = { first: 100, most: 1_000 }
const steps = 300
const walks = 12

/** A dependency as simple as it gets: what it does with a call is what it is at that moment. */
type Health = 'good' | 'failing' | 'hung' | 'slow' | 'late'
const answers: Record<Health, number> = {
  good: 5,
  failing: 5,
  hung: Number.POSITIVE_INFINITY,
  slow: 600,
  late: 2_000,
}
const healths = Object.keys(answers) as Health[]

class Dependency {
  health: Health = 'good'
  started = 0
  readonly #clock: GuardClock

  constructor(clock: GuardClock) {
    this.#clock = clock
  }

  become(health: Health): void {
    this.health = health
  }

  call(): Promise<void> {
    this.started++
    const { health } = this
    return new Promise((resolve, reject) => {
      const ms = answers[health]
      if (ms === Number.POSITIVE_INFINITY) return
      this.#clock.after(ms, health === 'failing' ? () => reject(new Error('no')) : resolve)
    })
  }
}

/** One walk; everything it does comes from its seed. Throws where an invariant does not hold. */
async function walk(seed: number, options: Partial<GuardOptions>): Promise<Guard['tally']> {
  const random = seeded(seed)
  const clock = new GuardClock()
  const dependency = new Dependency(clock)
  const probes = { out: 0, most: 0, begun: 0 }
  const seen: BreakerState[] = ['passing']
  const guard = new Guard({
    name: 'it',
    deadlineMs,
    slowMs,
    restMs,
    clock,
    random,
    onChange: state => seen.push(state),
    ...options,
    probe: () => {
      probes.begun++
      probes.out++
      probes.most = Math.max(probes.most, probes.out)
      let open = true
      const end = () => {
        if (open) probes.out--
        open = false
      }
      // In flight until it is answered or given up, whichever is first.
      clock.after(options.probeMs ?? slowMs, end)
      const asked = dependency.call()
      asked.then(end, end)
      return asked
    },
  })
  let held: 'passing' | 'rejecting' | undefined
  /** What may make it reject, besides calls and probes. */
  let causes = 0
  let waiting = 0
  const outcomes = { answered: 0, refused: 0, failed: 0, missed: 0 }

  const call = (insisted: boolean) => {
    const before = dependency.started
    const passing = guard.state === 'passing'
    const run = insisted ? guard.insist(() => dependency.call()) : guard.run(() => dependency.call())
    expect(dependency.started - before).toBe(passing || insisted ? 1 : 0)
    waiting++
    run
      .then(
        () => outcomes.answered++,
        error => {
          if (error.code === 'DEPENDENCY_REJECTED') outcomes.refused++
          else if (error.code === 'DEPENDENCY_TIMEOUT') outcomes.missed++
          else if (error.code === 'DEPENDENCY_FAILED') outcomes.failed++
          else throw error
        },
      )
      .finally(() => waiting--)
  }
  const trip = () => {
    causes++
    guard.trip('told so')
  }
  const hold = (as: 'passing' | 'rejecting') => {
    held = as
    causes++
    guard.hold(as, 'held')
  }
  const release = () => {
    held = undefined
    causes++
    guard.release('released')
  }
  const acts: readonly [weight: number, act: () => unknown][] = [
    [10, () => call(false)],
    [2, () => call(true)],
    [12, () => clock.advance(random() * 300)],
    [2, () => clock.advance(random() * 3_000)],
    [3, () => dependency.become(healths[Math.floor(random() * healths.length)] ?? 'good')],
    [2, () => dependency.become('good')],
    [1, trip],
    [1, () => guard.probeSoon()],
    [0.3, () => hold('passing')],
    [0.3, () => hold('rejecting')],
    [1, release],
  ]
  for (let i = 0; i < steps; i++) {
    await drawn(acts, random)()
    await clock.settle()
    if (held) expect(guard.state).toBe(held)
    expect(probes.most).toBeLessThanOrEqual(1)
  }

  const { tally } = guard
  const troubles = tally.failed + tally.slow + tally.missed + tally.probes.failed
  expect(tally.changes.rejecting).toBeLessThanOrEqual(causes + troubles)
  expect(tally.changes.probing).toBeLessThanOrEqual(probes.begun)
  for (const [i, state] of seen.entries()) expect(state).not.toBe(seen[i + 1])
  // From passing it never goes to probing: only through rejecting.
  for (const [i, state] of seen.entries()) if (state === 'probing') expect(seen[i - 1]).toBe('rejecting')

  release()
  dependency.become('good')
  await clock.advance(deadlineMs + answers.late + 4 * restMs.most)
  expect(guard.state).toBe('passing')
  expect(waiting).toBe(0)
  expect(tally.rejected).toBe(outcomes.refused)
  // Quiet again, a fault takes three changes.
  await clock.advance(10_000)
  const before = seen.length
  guard.trip('a last one')
  await clock.advance(2 * restMs.most)
  expect(seen.slice(before)).toEqual(['rejecting', 'probing', 'passing'])
  guard.close()
  await clock.advance(10_000)
  expect(clock.timers).toBe(0)
  expect(tally.probes.succeeded + tally.probes.failed).toBe(probes.begun)
  return tally
}

function drawn<T>(choices: readonly (readonly [weight: number, value: T])[], random: () => number): T {
  let draw = random() * choices.reduce((sum, [weight]) => sum + weight, 0)
  for (const [weight, value] of choices) {
    draw -= weight
    if (draw < 0) return value
  }
  throw new Error('nothing to choose from')
}

it.each<[string, Partial<GuardOptions>]>([
  ['slowness is a failure', {}],
  ['slowness is a doubt', { slowness: 'doubt', probeMs: slowMs }],
  ['it asks when idle', { idleMs: 500 }],
])(
  'whatever happens it keeps its promises, where %s',
  async (_name, options) => {
    const first = Number(process.env['HOLDFAST_SEED'] ?? Math.floor(Math.random() * 1e9))
    const sums = { rejected: 0, missed: 0, slow: 0, vain: 0, changes: 0 }
    for (let i = 0; i < walks; i++) {
      try {
        const { rejected, missed, slow, probes, changes } = await walk(first + i, options)
        sums.rejected += rejected
        sums.missed += missed
        sums.slow += slow
        sums.vain += probes.failed
        sums.changes += changes.rejecting
      } catch (error) {
        throw new Error(`the walk with HOLDFAST_SEED=${first + i} failed`, { cause: error })
      }
    }
    // A walk that meets no trouble proves nothing.
    for (const sum of Object.values(sums)) expect(sum).toBeGreaterThan(walks)
  },
  60_000,
)
