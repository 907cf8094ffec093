import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Holdfast } from '../../src/app/index.ts'
import { memoryLimits, memoryUse } from '../../src/gateway/load/memory-use.ts'

/*
 * A node that can be given too much to do, from within: as an application's own code does it that computes in a hook, or
 * keeps what it should let go of.
 */
export function setup(hf: Holdfast): void {
  let busy = false
  const kept: unknown[] = []
  const limits = memoryLimits()

  /** Turns of so many milliseconds, one after the other; what waits gets its turn in between. */
  hf.rpc('burn', ({ data }) => {
    const { turnMs } = data as { turnMs: number }
    busy = turnMs > 0
    const turn = () => {
      const end = performance.now() + turnMs
      while (performance.now() < end);
      if (busy) setImmediate(turn)
    }
    if (busy) setImmediate(turn)
    return {}
  })

  /** Keeps so much that this share of the heap is in use without any garbage; 0 lets go of all. */
  hf.rpc('keep', ({ data }) => {
    const { share } = data as { share: number }
    if (share === 0) kept.length = 0
    // All that is missing at once: each collection takes the longer the more is kept, and nobody is answered meanwhile.
    for (collect(); memoryUse(limits) < share; collect()) {
      const missing = (share - memoryUse(limits)) * limits.heap
      for (let bytes = 0; bytes < missing; bytes += 8 * 65_536) kept.push(new Array(65_536).fill(0.5))
    }
    return {}
  })
}

const collect: () => void = (() => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc')
})()
