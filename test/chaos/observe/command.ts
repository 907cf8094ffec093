import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { withProgress } from '../../../src/cli/output.ts'
import { bringPrometheus } from '../../support/install-prometheus.ts'
import { allFaults } from '../faults/all.ts'
import type { Fault } from '../types.ts'
import { type KeptObservations, keepObservations, writeObserved } from './document.ts'
import { type Observed, ObservedChaos } from './observed-chaos.ts'
import type { Observation } from './observer.ts'

export interface ObserveCommand {
  readonly faults: readonly Fault[]
  readonly seed: number
  readonly record: boolean
  readonly say: (line: string) => void
  readonly phase: (fault: string, phase: string) => void
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const root = join(import.meta.dirname, '../../..')
export const observedFile = join(root, 'test/chaos/results/observed.json')

/** `npm run chaos -- --observe`: what a Prometheus beside it sees of each fault. The exit code. */
export async function observeFaults({ faults, seed, record, say, phase }: ObserveCommand): Promise<number> {
  const programs = bringPrometheus(say)
  if (!programs) return 1
  await using chaos = new ObservedChaos({ seed, prometheus: programs.prometheus, say, phase })
  const stop = async () => {
    say('stopping')
    await chaos[Symbol.asyncDispose]()
    process.exit(130)
  }
  for (const signal of signals) process.once(signal, stop)
  let unseen = 0
  await withProgress('observed', faults.length, async step => {
    for (const fault of faults) {
      const observed = await chaos.observe(fault)
      step()
      console.log(told(observed))
      if (observed.kind === 'unseen') unseen++
      // One by one, so that a run that is interrupted has kept what it has.
      if (observed.kind === 'seen' && record) say(await keep(observed.observation, seed))
    }
  })
  for (const signal of signals) process.removeListener(signal, stop)
  if (unseen > 0) console.error(`${unseen} of ${faults.length} were not seen as they should be`)
  return unseen === 0 ? 0 : 1
}

function told({ fault, ms, ...observed }: Observed): string {
  const took = `(${Math.round(ms / 1_000)} s)`
  switch (observed.kind) {
    case 'skipped':
      return `${fault.name}: skipped, ${observed.reason}`
    case 'unseen':
      return `${fault.name}: NOT SEEN ${took}: ${observed.error instanceof Error ? observed.error.message : observed.error}`
    case 'seen': {
      const { panel, alert, firedAfterMs, clearedAfterMs, others } = observed.observation
      const times = `${Math.round(firedAfterMs / 1_000)} s, over after ${Math.round(clearedAfterMs / 1_000)} s`
      return `${fault.name}: ${panel}; ${alert} after ${times} ${took} [${others.join(' ')}]`
    }
  }
}

async function keep(observation: Observation, seed: number): Promise<string> {
  const earlier = await readFile(observedFile, 'utf8').then(
    text => (JSON.parse(text) as KeptObservations).observations,
    () => [],
  )
  const names = allFaults.map(({ name }) => name)
  const kept: KeptObservations = { seed, observations: keepObservations(earlier, [observation], names) }
  await mkdir(dirname(observedFile), { recursive: true })
  await writeFile(observedFile, `${JSON.stringify(kept, null, 2)}\n`)
  const document = join(root, 'docs/CHAOS.md')
  await writeFile(document, writeObserved(await readFile(document, 'utf8'), kept))
  return `written: ${document}`
}
