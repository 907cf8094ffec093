import { pino } from 'pino'
import { expect, it } from 'vitest'
import { FailureLog } from './failure-log.ts'
import type { TurnItem } from './handler-call.ts'

it('tells the first failure at once, and of a flood how many there were', async () => {
  const lines: Record<string, unknown>[] = []
  const log = new FailureLog(pino({}, { write: (line: string) => lines.push(JSON.parse(line)) }))
  const item = { event: { channel: 'order:7', offset: 3, type: 'Paid' }, attempt: 2 } as TurnItem
  for (let n = 0; n < 100; n++) log.tell(item, { kind: 'park', reason: 'no such account' })
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatchObject({ channel: 'order:7', offset: 3, attempt: 2, reason: 'no such account' })
  await expect
    .poll(
      () => {
        log.tell(item, { kind: 'retry', afterMs: 5, reason: 'later' })
        return lines.length
      },
      { timeout: 5_000 },
    )
    .toBe(2)
  expect(lines[1]?.['unmentioned']).toBeGreaterThanOrEqual(99)
})
