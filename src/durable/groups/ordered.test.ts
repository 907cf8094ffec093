import { expect, it } from 'vitest'
import { createOrderedRunner } from './ordered.ts'
import type { RunnerParts } from './runner.ts'

it('lets go of surplus partitions that it had not begun with, because nobody else could', () => {
  let asked = 0
  const runner = createOrderedRunner({
    settings: { concurrency: 1 },
    tickSoon: () => asked++,
  } as unknown as RunnerParts)
  const held = [3, 5].map(partition => ({ partition, epoch: 'e', position: 0, fence: 1, surplus: true }))
  // The lease was lost before the work could begin, and another member has joined meanwhile.
  runner.lose()
  runner.tick({ held, paused: false })
  expect(runner.released()).toEqual([3, 5])
  expect(asked).toBe(1)
  runner.tick({ held: [], paused: false })
  expect(runner.released()).toEqual([])
})
