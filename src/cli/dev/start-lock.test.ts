import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { processMark } from '../services/process-mark.ts'
import { takeStartLock } from './start-lock.ts'

describe('the lock of a start', () => {
  let folder: string
  const said: string[] = []
  const tell = (line: string) => said.push(line)

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-lock-'))
    said.length = 0
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('refuses a second start in the folder and names the first', async () => {
    const lock = await takeStartLock(folder, tell)
    await expect(takeStartLock(folder, tell)).rejects.toThrow(
      `already running in this folder (process ${process.pid})`,
    )
    lock.release()
    const again = await takeStartLock(folder, tell)
    again.release()
    expect(existsSync(join(folder, 'dev.json'))).toBe(false)
  })

  it('takes over from a process that is gone, even if its number is in use again', async () => {
    const gone = { pid: process.pid, mark: 'of another life', children: [] }
    writeFileSync(join(folder, 'dev.json'), JSON.stringify(gone))
    const lock = await takeStartLock(folder, tell)
    lock.release()
  })

  it('takes over from a file that was cut off while it was written', async () => {
    writeFileSync(join(folder, 'dev.json'), '{"pid":')
    const lock = await takeStartLock(folder, tell)
    lock.release()
  })

  it('ends what a killed start has left behind, and nothing that only has the same number', async () => {
    const left = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    await Promise.all([once(left, 'spawn'), once(stranger, 'spawn')])
    const content = {
      pid: 2 ** 22 + 1,
      mark: 'gone',
      children: [
        { name: 'the feeder', pid: left.pid, mark: processMark(left.pid ?? 0) },
        { name: 'Redis', pid: stranger.pid, mark: 'of another life' },
      ],
    }
    writeFileSync(join(folder, 'dev.json'), JSON.stringify(content))
    const lock = await takeStartLock(folder, tell)
    expect(processMark(left.pid ?? 0)).toBeUndefined()
    expect(processMark(stranger.pid ?? 0)).toBeTypeOf('string')
    expect(said).toEqual([
      `stopping the feeder (process ${left.pid}), which an earlier start has left behind`,
    ])
    stranger.kill('SIGKILL')
    lock.release()
  })
})
