import { expect, onTestFinished, test, vi } from 'vitest'
import { HoldfastError } from '../../domain/index.ts'
import { type CheckOptions, checkRows } from './row-check.ts'

const namespaces = { order: { tier: 'durable' as const }, room: { tier: 'realtime' as const } }
const row = (id: number, channel: string, data = '1') => ({
  id,
  channel,
  type: 'T',
  data,
  eventId: `00000000-0000-4000-8000-${String(id).padStart(12, '0')}`,
  ageSeconds: 5,
})
const checked = async (rows: Parameters<typeof checkRows>[0], check?: CheckOptions['check']) => {
  const { fit, unfit, postponed } = await checkRows(rows, {
    namespaces,
    partitions: 64,
    undeclaredSeconds: 0,
    check,
  })
  return { fit: fit.map(({ id }) => id), unfit: unfit.map(({ id }) => id), postponed: postponed?.code }
}

test('the check gets the channel, the type and the value', async () => {
  const check = vi.fn()
  await checked([row(1, 'order:1', '{"a":1}')], check)
  expect(check.mock.calls).toEqual([['order:1', 'T', { a: 1 }]])
})

test('a channel ends at its first row that has to wait, whatever follows', async () => {
  const rows = [
    row(1, 'order:1'),
    row(2, 'order:1', '2'),
    row(3, 'order:1', '3'),
    row(4, 'order:2', '3'),
    row(5, 'room:1'),
  ]
  const check = async (_: string, __: string, value: unknown) => {
    if (value === 2) throw new HoldfastError('DEPENDENCY_TIMEOUT', 'away')
    if (value === 3) throw new Error('never')
  }
  expect(await checked(rows, check)).toEqual({ fit: [1], unfit: [4, 5], postponed: 'DEPENDENCY_TIMEOUT' })
})

test('a check that does not end is given up for now', async () => {
  vi.useFakeTimers()
  // Also where it fails: files share a process.
  onTestFinished(() => void vi.useRealTimers())
  const checking = checked([row(1, 'order:1'), row(2, 'order:2')], channel =>
    channel === 'order:1' ? new Promise<void>(() => undefined) : undefined,
  )
  await vi.advanceTimersByTimeAsync(10_000)
  expect(await checking).toEqual({ fit: [2], unfit: [], postponed: 'DEPENDENCY_TIMEOUT' })
})

test('a reason that Postgres could not store is made so that it can', async () => {
  const { unfit } = await checkRows([row(1, 'order:1')], {
    namespaces,
    partitions: 64,
    undeclaredSeconds: 0,
    check() {
      throw new HoldfastError('PAYLOAD_INVALID', `a\u0000b\ud800${'c'.repeat(5_000)}`)
    },
  })
  expect(unfit[0]?.reason).toBe(`ab\ufffd${'c'.repeat(997)}`)
})
