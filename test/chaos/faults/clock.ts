import { globSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { aptInstall, whyNoInstall } from '../../../src/cli/services/apt.ts'
import { token } from '../holdfast/config.ts'
import type { Fault, NodeProcess, Stage } from '../types.ts'
import { Bystanders } from './bystanders.ts'

/** The library looks into its file so often, in seconds. */
const lookS = 1
const bystanders = 5
/** By the machine's clock their tokens end within the hour of a jump, and long after the run. */
const halfAnHour = '30m'

/** The clock of one process jumps by an hour, in the middle of its work, and at the end back again. */
export const clockFaults: readonly Fault[] = [
  nodeClock('node-clock-forward', '+1h', 'the clock of a node jumps an hour forward, and later back'),
  nodeClock('node-clock-back', '-1h', 'the clock of a node jumps an hour back, and later forward'),
  {
    name: 'worker-clock-forward',
    about: 'the clock of a worker jumps an hour forward, and later back',
    suits: system => system.parts.includes('workers'),
    unavailable,
    async inject(stage, { workers: [worker] }) {
      if (!worker) return async () => undefined
      return jump(await ownClock(stage, worker), '+1h')
    },
  },
]

function nodeClock(name: string, by: string, about: string): Fault {
  return {
    name,
    about,
    suits: system => system.name === 'holdfast',
    // It is started anew before its clock can jump.
    strikes: [1],
    unavailable,
    async inject(stage, { nodes: [, node] }) {
      if (node?.port === undefined) return async () => undefined
      const set = await ownClock(stage, node)
      const there = await Bystanders.connect(node.port, bystanders, await token('bystander', halfAnHour))
      const end = await jump(set, by)
      return async () => {
        await end()
        there.expectAll(`when the clock of ${node.name} jumped by ${by} and back`)
      }
    },
  }
}

/** Starts a process again with a clock of its own; the result sets that. */
async function ownClock({ directory }: Stage, process: NodeProcess): Promise<(by: string) => Promise<void>> {
  const file = join(directory, `clock-of-${process.name}`)
  const set = async (by: string) => {
    await writeFile(file, `${by}\n`)
    await delay(lookS * 1_200)
  }
  await writeFile(file, '+0\n')
  await process.stop()
  await process.startAgain({
    LD_PRELOAD: library(),
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_CACHE_DURATION: String(lookS),
    // A machine's steady clock does not jump.
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  })
  return set
}

async function jump(set: (by: string) => Promise<void>, by: string): Promise<() => Promise<void>> {
  await set(by)
  return () => set('+0')
}

function unavailable(): string | undefined {
  if (process.platform !== 'linux') return 'libfaketime is looked for on Linux only'
  if (installed()) return undefined
  const reason = whyNoInstall()
  return reason === undefined ? undefined : `libfaketime is not there, and is not installed because ${reason}`
}

function library(): string {
  const said = installed() ? '' : aptInstall('libfaketime')
  const found = installed()
  if (!found) throw new Error(`"apt-get install libfaketime" did not bring it: ${said}`)
  return found
}

function installed(): string | undefined {
  return globSync('/usr/lib/{*/,}faketime/libfaketime.so.1')[0]
}
