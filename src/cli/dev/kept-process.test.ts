import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, it } from 'vitest'
import { until } from '../../../test/support/until.ts'
import { KeptProcess } from './kept-process.ts'
import { stopProgram } from './own-program.ts'

let kept: KeptProcess | undefined
afterEach(() => kept?.stop())

async function keep() {
  const pids: number[] = []
  const said: string[] = []
  kept = new KeptProcess({
    name: 'it',
    start: async () => {
      const process = spawn('sleep', ['600'])
      await once(process, 'spawn')
      return { process, stop: () => stopProgram(process) }
    },
    tell: line => said.push(line),
    onStart: process => pids.push(process.pid ?? 0),
    onGiveUp: reason => said.push(reason),
  })
  await kept.start()
  return { kept, pids, said }
}

const alive = (pid: number | undefined) => {
  try {
    return process.kill(pid ?? 0, 0)
  } catch {
    return false
  }
}

it('starts again what has ended by itself', async () => {
  const { pids, said } = await keep()
  process.kill(pids[0] ?? 0, 'SIGKILL')
  await until('it is back', () => pids.length === 2)
  expect(alive(pids[1])).toBe(true)
  await until('it was told', () => said.length === 2)
  expect(said).toEqual(['it has ended (SIGKILL); starting it again', 'it is back'])
})

it('stays away for as long as it was asked to, once at a time', async () => {
  const { kept, pids, said } = await keep()
  const began = performance.now()
  expect(kept.pause(1_500)).toBe(true)
  expect(kept.pause(1_500)).toBe(false)
  await until('it is gone', () => !alive(pids[0]))
  await until('it is back', () => pids.length === 2)
  expect(performance.now() - began).toBeGreaterThan(1_400)
  await until('it was told', () => said.length === 1)
  expect(said).toEqual(['it is back'])
  expect(alive(pids[1])).toBe(true)
})

it('does not come back where everything stops meanwhile', async () => {
  const { kept, pids } = await keep()
  kept.pause(100)
  await kept.stop()
  await new Promise(resolve => setTimeout(resolve, 300))
  expect(pids).toHaveLength(1)
  expect(alive(pids[0])).toBe(false)
  expect(kept.pause(100)).toBe(false)
})
