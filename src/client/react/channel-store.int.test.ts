import { afterEach, beforeEach, expect, it } from 'vitest'
import { Script, type ScriptedNode } from '../../../test/support/scripted-node.ts'
import { until } from '../../../test/support/until.ts'
import { type Client, createClient } from '../index.ts'
import type { Received, SubscribeOptions } from '../types.ts'
import { ChannelStore } from './channel-store.ts'
import { tokensOf } from './store.ts'

let script: Script
let node: ScriptedNode
let client: Client

beforeEach(async () => {
  script = new Script()
  node = await script.node()
  client = createClient(node.url)
  await client.connect()
})
afterEach(async () => {
  client.disconnect()
  await script.close()
})

it('shows an event once, though it comes again to who has not acknowledged it', async () => {
  for (let n = 1; n <= 3; n++) script.record('order:1', 'Counted', { n })
  const handled: (number | undefined)[] = []
  const wish: SubscribeOptions<Received> = { cursor: 'read', ack: 'manual' }
  const handlers = { current: { ...wish, onEvent: ({ offset }: Received) => handled.push(offset) } }
  const store = new ChannelStore(client, 'order:1', { limit: 10, wanted: undefined, handlers, wish })
  const shown = () => store.view.events.map(({ offset }) => offset)
  const hide = store.begin(() => undefined)
  await until('all are there', () => shown().length === 3)
  hide()
  const end = store.begin(() => undefined)
  await until('they have come again', () => handled.length === 6)
  script.record('order:1', 'Counted', { n: 4 })
  await until('the next one is there', () => store.view.position?.offset === 4)
  expect(handled).toEqual([1, 2, 3, 1, 2, 3, 4])
  expect(shown()).toEqual([1, 2, 3, 4])
  end()
})

it('gets tokens from the function of the last drawing', async () => {
  const latest = { current: { getToken: async ({ channel }: { channel: string }) => `first ${channel}` } }
  const { getToken } = tokensOf(latest)
  latest.current = { getToken: async ({ channel }) => `second ${channel}` }
  expect(await getToken?.({ channel: 'a' })).toBe('second a')
  expect(tokensOf({ current: {} })).toEqual({})
})
