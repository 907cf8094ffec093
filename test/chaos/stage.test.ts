import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, inject, it } from 'vitest'
import { family, stillRunning } from '../bootstrap/processes.ts'
import { until } from '../support/until.ts'

const program = fileURLToPath(new URL('./left-behind.ts', import.meta.url))

it('leaves no process and no file behind when the runner is killed, not even a Redis that stands still', {
  timeout: 90_000,
}, async () => {
  const runner = spawn(process.execPath, [program, inject('redisServer')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface({ input: runner.stdout }), 'line')) as [string]
  const { directory, pids } = JSON.parse(line) as { directory: string; pids: number[] }
  const known = pids.flatMap(pid => family(pid))
  expect(known.length).toBeGreaterThan(2)
  expect(existsSync(directory)).toBe(true)
  runner.kill('SIGKILL')
  await until('all are gone', () => stillRunning(known).length === 0, 30_000)
  await until('the folder is gone', () => !existsSync(directory))
})
