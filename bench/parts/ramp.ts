import type { StepResult } from '../load/fan-out.ts'
import { type Contestant, open, type Shape, step } from './contestants.ts'

const growth = 2
const refinements = 2
/** From a first step that failed already. */
const stepsDown = 2
const bearableP99Ms = 250
/** From here on the load process is what limits, and a rate says nothing more about the server. */
const loadBound = 0.9

export interface RampResult {
  /** The highest step at which everything arrived and p99 stayed bounded. */
  readonly best: StepResult | undefined
  readonly steps: readonly StepResult[]
  readonly limitedByLoad: boolean
}

/**
 * Raises the rate until not everything arrives or p99 passes 250 ms, then searches between the last good and the
 * first bad rate. A failed step is repeated once: on a shared machine one bad second proves nothing.
 */
export async function ramp(
  contestant: Contestant,
  shape: Shape,
  options: { from: number; to: number; seconds: number },
): Promise<RampResult> {
  const steps: StepResult[] = []
  let good: StepResult | undefined
  let bad: number | undefined
  const tryRate = async (rate: number): Promise<boolean> => {
    for (let attempt = 0; attempt < 2; attempt++) {
      const result = await step(contestant, { rate, seconds: options.seconds, warmSeconds: 0.4, together: 1 })
      steps.push(result)
      if (passed(result)) {
        good = result
        return true
      }
      // A server cuts connections that fall behind; the next step needs all of them.
      await open(contestant, shape)
    }
    bad = rate
    return false
  }
  for (let rate = options.from; rate <= options.to && (await tryRate(rate)); rate *= growth) {
    if ((good?.loadCores ?? 0) > loadBound) break
  }
  for (let i = 0; i < stepsDown && good === undefined && bad !== undefined; i++) await tryRate(bad / growth)
  for (let i = 0; i < refinements && good !== undefined && bad !== undefined; i++) {
    await tryRate(Math.sqrt(good.rate * bad))
  }
  const limitedByLoad = steps.some(result => result.loadCores > loadBound)
  return { best: good, steps, limitedByLoad }
}

function passed(result: StepResult): boolean {
  const p99 = Math.max(result.cross.p99 || 0, result.local.p99 || 0)
  return result.delivered === result.expected && result.closed === 0 && p99 < bearableP99Ms
}
