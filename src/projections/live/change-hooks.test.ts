import { expect, it } from 'vitest'
import { createLogger } from '../../platform/index.ts'
import type { Build } from '../types.ts'
import { createChangeHooks } from './change-hooks.ts'

const build = (id: number, version: number): Build => ({
  id,
  projection: 'totals',
  version,
  state: 'active',
  group: `holdfast.projection-totals-${id}`,
  tables: {},
  created: 1,
  caughtUp: 2,
  switched: id,
  switchedBy: undefined,
})

function listening(channels: Readonly<Record<number, string>>) {
  const told: [string, unknown][] = []
  const hooks = createChangeHooks({
    outlet: {
      isDurable: () => false,
      publish: async (channel, data) => void told.push([channel, JSON.parse(data).build]),
    },
    changesOf: (_, version) => channels[version],
    logger: createLogger('silent'),
  })
  return { told, hooks }
}

it('a switch to a version that nobody here declares is told where the one before was told of, each channel once', async () => {
  const nothing = undefined as never
  const [older, newer] = [build(1, 1), build(2, 2)]
  for (const [channels, expected] of [
    [{ 2: 'live' }, ['live']],
    [{ 1: 'live', 2: 'live' }, ['live']],
    [{ 1: 'old', 2: 'live' }, ['old', 'live']],
    [{}, []],
  ] as const) {
    const seeing = listening(channels)
    await seeing.hooks.seen?.([newer], nothing)
    expect(seeing.told).toEqual([])
    await seeing.hooks.seen?.([older], nothing)
    await seeing.hooks.seen?.([older], nothing)
    expect(seeing.told).toEqual(expected.map(channel => [channel, 1]))
    const switching = listening(channels)
    // No channel is durable, so nothing is written.
    const tx = (async () => [{ switched: 1 }]) as never
    const done = await switching.hooks.switched({ projection: 'totals', build: older, previous: newer, tx })
    expect(switching.told).toEqual([])
    done?.()
    expect(switching.told).toEqual(expected.map(channel => [channel, 1]))
  }
})
