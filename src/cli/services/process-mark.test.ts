import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { processCommand, processGone, processMark } from './process-mark.ts'

describe('the mark of a process', () => {
  it('stays the same while it runs and differs from another’s', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    await once(child, 'spawn')
    const pid = child.pid ?? 0
    const mark = processMark(pid)
    expect(mark).toBeTypeOf('string')
    expect(processMark(pid)).toBe(mark)
    expect(processMark(process.pid)).not.toBe(mark)
    expect(processCommand(pid)).toContain('setInterval')
    expect(await processGone(pid, mark ?? '', 0)).toBe(false)
    child.kill('SIGKILL')
    expect(await processGone(pid, mark ?? '', 10_000)).toBe(true)
    expect(processMark(pid)).toBeUndefined()
  })

  it('is undefined for a number that nobody has', () => {
    expect(processMark(2 ** 22 + 1)).toBeUndefined()
    expect(processCommand(2 ** 22 + 1)).toBeUndefined()
  })
})
