// Keeps one core awake at the lowest priority. Waking a sleeping virtual core costs several microseconds, charged to
// whoever writes to its socket: without spinners the same work costs twice as much on a quiet machine.
import { setPriority } from 'node:os'
import { setImmediate as turn } from 'node:timers/promises'
import { answer } from './remote.ts'

const spinMs = 20

async function spin(_: undefined): Promise<void> {
  setPriority(19)
  void forEver()
}

async function forEver(): Promise<never> {
  for (;;) {
    const until = performance.now() + spinMs
    while (performance.now() < until);
    // Now and then it listens whether the benchmark is still there.
    await turn()
  }
}

const handlers = { spin }
export type SpinnerHandlers = typeof handlers
answer(handlers)
