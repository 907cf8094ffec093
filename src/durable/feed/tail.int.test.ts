import { afterEach, expect, it } from 'vitest'
import {
  append,
  type DurableNodes,
  dense,
  durableNodes,
  listen,
} from '../../../test/support/durable-nodes.ts'
import { until } from '../../../test/support/until.ts'
import { createLogger } from '../../platform/index.ts'
import { createDurableTier } from '../durable-tier.ts'
import type { Ledger } from '../ledger/ledger.ts'

let nodes: DurableNodes

afterEach(() => nodes.close())

/** What a node asks its ledger for while it has no Redis. */
class Questions {
  statements = 0
  /** Look-ups of channels, and events that were looked through or read. */
  rows = 0

  over(ledger: Ledger): Ledger {
    const count =
      <A extends unknown[], R>(ask: (...args: A) => Promise<R>, rowsOf: (result: R, ...args: A) => number) =>
      async (...args: A): Promise<R> => {
        const result = await ask(...args)
        this.statements++
        this.rows += rowsOf(result, ...args)
        return result
      }
    const counted: Partial<Ledger> = {
      channelHeads: count(ledger.channelHeads.bind(ledger), heads => heads.size),
      movedChannels: count(ledger.movedChannels.bind(ledger), (_, ranges) =>
        ranges.reduce((sum, { after, through }) => sum + through - after, 0),
      ),
      readAfter: count(ledger.readAfter.bind(ledger), events => events.length),
      readChannel: count(ledger.readChannel.bind(ledger), ({ events }) => events.length),
      readPartition: count(ledger.readPartition.bind(ledger), ({ events }) => events.length),
    }
    return new Proxy(ledger, {
      get(target, name) {
        const own = counted[name as keyof Ledger] ?? target[name as keyof Ledger]
        return typeof own === 'function' ? (own as () => unknown).bind(target) : own
      },
    })
  }
}

async function nodeAlone(questions: Questions) {
  const ledger = questions.over(await nodes.database.open())
  return createDurableTier({ ledger, logger: createLogger('silent') })
}

it('asks for no more than its own channels, however much is recorded in others', async () => {
  nodes = await durableNodes()
  const questions = new Questions()
  const node = await nodeAlone(questions)
  const reader = await listen(node, 'order:1')
  // The worst others: those of the same partition.
  const partition = nodes.bare.partitionOf('order:1')
  const others = dense(1, 5_000)
    .map(n => `order:other-${n}`)
    .filter(name => nodes.bare.partitionOf(name) === partition)
    .slice(0, 50)
  const { rows } = questions
  for (let round = 0; round < 6; round++) {
    await Promise.all(others.map(channel => append(nodes.a, channel, 20, { atOnce: true })))
    await append(nodes.a, 'order:1', 1)
    await until('it has come', () => reader.offsets().length === round + 1)
  }
  expect(reader.offsets()).toEqual(dense(1, 6))
  // Of 6,006 events: a few are looked through where they came alone between two looks.
  expect(questions.rows - rows).toBeLessThan(1_000)
  await node.close()
}, 60_000)

it('reads for thousands of channels that move at once in a few statements', async () => {
  nodes = await durableNodes()
  const questions = new Questions()
  const node = await nodeAlone(questions)
  const channels = Array.from({ length: 2_000 }, (_, n) => `order:${n}`)
  const readers = await Promise.all(channels.map(channel => listen(node, channel)))
  const { statements } = questions
  await Promise.all(channels.map(channel => append(nodes.a, channel, 2, { atOnce: true })))
  await until('all have come', () => readers.every(reader => reader.offsets().length === 2))
  for (const reader of readers) expect(reader.offsets()).toEqual([1, 2])
  expect(questions.statements - statements).toBeLessThan(300)
  await node.close()
}, 60_000)
