import { afterAll, beforeAll, expect, it } from 'vitest'
import { append, type DurableNodes, durableNodes } from '../../test/support/durable-nodes.ts'
import { ledgerReport } from './ledger-report.ts'

let nodes: DurableNodes

beforeAll(async () => {
  nodes = await durableNodes()
})
afterAll(() => nodes.close())

it('takes events that are committed while it looks for a lag at most, never for a loss of the ledger', async () => {
  let running = true
  const writing = Promise.all(
    [nodes.a, nodes.b].map(async node => {
      while (running) await append(node, 'order:1', 1)
    }),
  )
  const redisUrl = `redis://127.0.0.1:${nodes.redis.options.port}`
  for (let n = 0; n < 10; n++) {
    const { mirror } = await ledgerReport(nodes.database.sql, { channels: 1, redis: redisUrl })
    expect(mirror).toMatchObject({ ahead: 0 })
  }
  running = false
  await writing
  const [meta = ''] = await nodes.redis.keys('*:meta')
  await nodes.redis.hset(meta, 'last', 1_000_000)
  const { mirror } = await ledgerReport(nodes.database.sql, { channels: 1, redis: redisUrl })
  expect(mirror).toMatchObject({ mirrored: 1, withoutMirror: 0, ahead: 1 })
})
