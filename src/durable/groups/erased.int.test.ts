import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { append } from '../../../test/support/durable-nodes.ts'
import { type GroupStage, groupStage } from '../../../test/support/group-stage.ts'
import { until } from '../../../test/support/until.ts'
import { createLogger } from '../../platform/index.ts'
import { forgetNow } from '../operations/forgetting.ts'
import { createOperations } from '../operations/operations.ts'

let stage: GroupStage
beforeAll(async () => {
  stage = await groupStage()
})
afterAll(() => stage?.close())

// At once: they wait far longer than they work.
it.concurrent.each(['ordered', 'competing'] as const)(
  'what is erased while a group has it in hand behind others is not handed to it as it was (%s)',
  async mode => {
    const group = `${mode}-${randomUUID()}`
    const channel = `${group}:1`
    await append(stage.a, channel, 5)
    const groups = stage.worker()
    const seen: [offset: number, type: string][] = []
    let erased = false
    const { sql } = stage.database
    groups
      .group(group, { mode, concurrency: 1, batchSize: 2, handlerTimeoutMs: 60_000 })
      .on(channel, '*', async event => {
        seen.push([event.offset, event.type])
        if (event.offset !== 1 || erased) return
        const erase = { channel, event: { offset: 4 }, actor: 'anna', reason: 'asked for' }
        await createOperations(sql).erasure.erase(erase)
        const { host, port } = stage.redis.options
        await forgetNow(sql, `redis://${host}:${port}`, createLogger('silent'))
        erased = true
        // As long as what was read is kept in hand, and a little.
        await delay(6_500)
      })
    try {
      await groups.work()
      await until('all are handled', () => new Set(seen.map(([offset]) => offset)).size === 5, 30_000)
      expect(seen.filter(([offset]) => offset === 4)).toEqual([[4, 'holdfast.erased']])
    } finally {
      await groups.close(1_000)
    }
  },
)
