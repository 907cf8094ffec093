import { expect, it } from 'vitest'
import { RecordingOutlet } from '../../test/support/recording-outlet.ts'
import { Deliveries } from './deliveries.ts'
import { FanOut } from './fan-out.ts'
import { Lane } from './lane.ts'
import type { Turn } from './turn.ts'

const turn = () => new Promise(resolve => setImmediate(resolve))

it('expects each message once for each who is to get it', async () => {
  const fan = new FanOut(Lane.realtime)
  const members = ['a', 'b', 'c'].map(client => new RecordingOutlet('u', client))
  const [first] = members as [RecordingOutlet]
  // All sessions of a node share theirs.
  for (const member of members) Object.assign(member, { turn: first.turn satisfies Turn })
  fan.publish('nobody is here')
  for (const member of members) fan.add(member)
  const { expected } = first.turn.deliveries
  fan.publish('1\n2', 2)
  fan.publish('3', 1, 'b')
  await turn()
  expect(expected[Lane.realtime]).toBe(8)
  fan.publish('4', 1, 'b')
  await turn()
  expect(expected[Lane.realtime]).toBe(10)
  fan.publishToClient('5', 'a')
  fan.publishTo('6', ({ client }) => client !== 'a')
  expect(expected[Lane.realtime]).toBe(13)
  expect(members.reduce((sum, { lines }) => sum + lines.length, 0)).toBe(13)
  expect(expected[Lane.durable]).toBe(0)
})

it('times one realtime message of 16 and every durable one, with what came before where that is known', () => {
  const deliveries = new Deliveries()
  const due = Array.from({ length: 33 }, () => deliveries.due(Lane.realtime))
  expect(due.flatMap((is, i) => (is ? [i] : []))).toEqual([0, 16, 32])
  expect([deliveries.due(Lane.durable), deliveries.due(Lane.durable)]).toEqual([true, true])
  deliveries.begin(Lane.realtime, 0.5)
  deliveries.begin(Lane.durable, Number.NaN)
  deliveries.settle()
  deliveries.settle()
  const counts = (of: Deliveries['fanOut']) => of.map(({ buckets }) => buckets.count)
  expect(counts(deliveries.fanOut)).toEqual([1, 1])
  expect(counts(deliveries.endToEnd)).toEqual([1, 0])
  expect(deliveries.endToEnd[0]?.buckets.sum).toBeGreaterThanOrEqual(0.5)
})
