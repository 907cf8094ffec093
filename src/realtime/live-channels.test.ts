import { expect, it } from 'vitest'
import { RecordingOutlet } from '../../test/support/recording-outlet.ts'
import type { NamespaceOptions } from '../domain/index.ts'
import type { Bus } from './bus.ts'
import type { BusMessage, Whom } from './envelope.ts'
import { LiveChannels } from './live-channels.ts'
import { Marks } from './marks.ts'

const options = { history: { size: 10, ttlSeconds: 60 } } as NamespaceOptions
const line = Buffer.from('{}')
const numbered = (offset: number): BusMessage => {
  return { kind: 'numbered', place: { epoch: 'e', offset }, mark: undefined, line }
}
const some = (whom: Whom): BusMessage => ({ kind: 'some', whom, at: 0, lines: line, count: 1 })

/** A channel with one subscriber, and what the bus calls when it brings something. */
async function openChannel() {
  let hear: Parameters<Bus['subscribe']>[1] = () => undefined
  const bus: Pick<Bus, 'subscribe' | 'unsubscribe'> = {
    subscribe: async (_, listener) => {
      hear = listener
      return true
    },
    unsubscribe: () => undefined,
  }
  const channels = new LiveChannels(bus as Bus, new Marks(), () => undefined)
  const channel = channels.open('room:1', options)
  const outlet = new RecordingOutlet('anna', 'a')
  channel.expect(outlet)
  channel.join(outlet, { kind: 'plain' })
  await channels.confirm(channel)
  const { turn } = outlet
  const bring = async (message: BusMessage, age: number) => {
    hear(message, age)
    await new Promise<void>(resolve => turn.write({ flush: resolve }))
    await new Promise(resolve => setImmediate(resolve))
    const samples = turn.deliveries.endToEnd[0]?.buckets
    return { count: samples?.count, sum: samples?.sum ?? 0 }
  }
  return { channel, bring }
}

/** One message of 16 is timed, and each of these is the first. */
const forNobody: Record<string, BusMessage> = {
  'for a client of another node': some({ client: 'b' }),
  'for a user who is not here': some({ user: 'ben' }),
  'for all but the only one here': some({ exclude: 'a' }),
  'a place that stays empty': { kind: 'skipped', place: { epoch: 'e', offset: 1 } },
}

it.each(Object.entries(forNobody))('does not time what nobody gets: %s', async (_, message) => {
  const { bring } = await openChannel()
  expect(await bring(message, 0.5)).toMatchObject({ count: 0 })
  // Nor what comes next in its place.
  for (let i = 0; i < 15; i++) expect(await bring(numbered(2 + i), 7)).toMatchObject({ count: 0 })
  expect((await bring(numbered(17), 0.25)).count).toBe(1)
})

it('does not time a line that was taken before, by an answer of Redis', async () => {
  const { channel, bring } = await openChannel()
  channel.begin({ epoch: 'e', offset: 1 }, '{}')
  expect(await bring(numbered(1), 0.5)).toMatchObject({ count: 0 })
})

it('times what is for somebody here, with the time that it was under way', async () => {
  const { bring } = await openChannel()
  const told = await bring(some({ user: 'anna' }), 0.5)
  expect(told.count).toBe(1)
  expect(told.sum).toBeGreaterThanOrEqual(0.5)
})
