import { expect, it } from 'vitest'
import { until } from '../../test/support/until.ts'
import { TierWatch } from './tier-watch.ts'
import type { Router } from './types.ts'

type Status = ReturnType<Router['status']>

function node(durable = true) {
  const status: Status = {
    bus: 'ready',
    busLosses: 0,
    durable: { ledger: 'ready', mirror: 'ready', epoch: 'e' },
  }
  const current = { status }
  const watch = new TierWatch({ status: () => current.status, durable })
  const set = (
    bus: Status['bus'],
    ledger: Status['durable']['ledger'],
    mirror: Status['durable']['mirror'],
  ) => {
    const busLosses = current.status.busLosses + (bus === 'ready' ? 0 : 1)
    current.status = { bus, busLosses, durable: { ledger, mirror, epoch: 'e' } }
    watch.look()
  }
  /** Away and back before anybody looks. */
  const blink = () => {
    current.status = { ...current.status, busLosses: current.status.busLosses + 1 }
  }
  const session = () => {
    const told: unknown[] = []
    return { told, tell: (line: string) => told.push(JSON.parse(line).push.message.data.holdfast.state) }
  }
  return { watch, set, blink, session }
}

it('tells those who asked of each change, once, and says what clients can rely on', () => {
  const { watch, set, session } = node()
  const [one, other] = [session(), session()]
  expect(JSON.parse(watch.watch(one))).toEqual({ realtime: 'ready', durable: 'ready' })
  watch.watch(other)
  watch.watch(one)
  set('unreachable', 'ready', 'unreachable')
  set('unreachable', 'ready', 'unreachable')
  watch.forget(other)
  // A mirror that is being filled is nothing that a client would notice.
  set('ready', 'ready', 'healing')
  set('ready', 'read_only', 'ready')
  expect(one.told).toEqual([
    { realtime: 'local', durable: 'slow' },
    { realtime: 'ready', durable: 'ready' },
    { realtime: 'ready', durable: 'unavailable' },
  ])
  expect(other.told).toEqual([{ realtime: 'local', durable: 'slow' }])
  expect(JSON.parse(watch.watch(session()))).toEqual({ realtime: 'ready', durable: 'unavailable' })
  expect(watch.size).toBe(2)
  expect(JSON.parse(node(false).watch.state)).toEqual({ realtime: 'ready', durable: 'none' })
})

it('tells of a loss of the bus that was over before it looked, and of many in a row as one', () => {
  const { watch, blink, session } = node()
  const one = session()
  watch.watch(one)
  for (let looks = 0; looks < 5; looks++) {
    blink()
    blink()
    watch.look()
  }
  expect(one.told).toEqual([{ realtime: 'local', durable: 'ready' }])
  expect(JSON.parse(watch.watch(session()))).toMatchObject({ realtime: 'local' })
  for (let looks = 0; looks < 5; looks++) watch.look()
  expect(one.told).toEqual([
    { realtime: 'local', durable: 'ready' },
    { realtime: 'ready', durable: 'ready' },
  ])
})

it('lets others have their turn while it tells many, and tells each of the beginning and of the end', async () => {
  const { watch, set, session } = node()
  const many = Array.from({ length: 1_200 }, session)
  for (const each of many) watch.watch(each)
  set('unreachable', 'ready', 'ready')
  expect(many.filter(({ told }) => told.length > 0).length).toBeLessThan(many.length)
  set('ready', 'ready', 'ready')
  await until('all have the latest', () => {
    watch.look()
    return many.every(({ told }) => (told.at(-1) as { realtime: string } | undefined)?.realtime === 'ready')
  })
  for (const { told } of many) expect(told).toMatchObject([{ realtime: 'local' }, { realtime: 'ready' }])
})
