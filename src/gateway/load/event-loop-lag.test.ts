import { afterEach, beforeEach, expect, it } from 'vitest'
import { EventLoopLag } from './event-loop-lag.ts'

let lag: EventLoopLag
beforeEach(() => {
  lag = new EventLoopLag()
})
afterEach(() => lag.close())

/** Turns of the event loop, each so long. */
async function turns(count: number, ms: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    await new Promise(resolve => setTimeout(resolve, 0))
    const end = performance.now() + ms
    while (performance.now() < end);
  }
}

it('is the length of the turns where they are long, however few there are', async () => {
  await turns(1, 400)
  expect(lag.read()).toBeGreaterThan(300)
  await turns(3, 200)
  expect(lag.read()).toBeGreaterThan(140)
})

it('is small where all turns are short, although the loop is always busy', async () => {
  await turns(1, 0)
  lag.read()
  const end = performance.now() + 300
  while (performance.now() < end) await turns(1, 2)
  // A machine that takes the processor away makes turns longer; 300 would be all of them in one.
  expect(lag.read()).toBeLessThan(200)
})

it('is told also when it is read twice at the same moment', () => {
  lag.read()
  expect(lag.read()).toBe(0)
})
