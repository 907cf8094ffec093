import { describe, expect, it } from 'vitest'
import { threadBreath } from './breath.ts'
import { Inbox } from './inbox.ts'

/** Keeps the thread. */
function work(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

describe('a breath', () => {
  it('is due once handlers have kept the thread too long, and not any more after a pause', async () => {
    const breath = threadBreath()
    expect(breath.due()).toBe(false)
    work(20)
    expect(breath.due()).toBe(true)
    await breath.pause()
    expect(breath.due()).toBe(false)
    // What others do with the thread between two tasks is not ours.
    await new Promise(resolve => setImmediate(resolve))
    work(20)
    expect(breath.due()).toBe(false)
  })

  it('is taken between synchronous handlers: no task runs more of them than fit', async () => {
    const inTask: number[] = []
    let handled = 0
    const box = new Inbox<number>({
      handle: () => {
        work(1)
        handled++
      },
      onFailure: () => undefined,
      onHandled: () => undefined,
      capacity: 1_000,
      breath: threadBreath(),
    })
    for (let n = 0; n < 100; n++) box.push(n)
    for (let before = 0; handled < 100; before = handled) {
      inTask.push(handled - before)
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(Math.max(...inTask)).toBeLessThanOrEqual(10)
    expect(inTask.length).toBeGreaterThan(9)
  })
})
