import { expect, test } from 'vitest'
import { HoldfastError, newEventId } from '../../domain/index.ts'
import { type Entry, entryOf } from './entry.ts'
import { Lane, type LaneLimits } from './lane.ts'
import type { Outcome } from './ledger.ts'
import { postgresError } from './postgres-error.ts'

const limits: LaneLimits = { batchEvents: 500, batchBytes: 1_000_000, deadlineMs: 2_000 }

function entry(n: number, change: { expectedOffset?: number; data?: string } = {}): Entry {
  const made = entryOf({ channel: 'order:7', type: 'T', data: String(n), id: newEventId(), ...change }, 64)
  if (typeof made === 'string') throw new Error(made)
  return made
}

/** A lane over a database of a few lines; `answer` decides each attempt. */
function laneOver(
  answer: (batch: readonly Entry[], attempt: number) => Promise<void>,
  over: Partial<LaneLimits> = {},
  pastEpochs: readonly string[] = [],
) {
  const batches: string[][] = []
  const stored: string[] = []
  const epochs: string[] = []
  let released = 0
  const lane = new Lane(
    {
      async send(entries) {
        batches.push(entries.map(({ data }) => data))
        await answer(entries, batches.length)
        return entries.map((one): Outcome => {
          const known = stored.indexOf(one.data) + 1
          if (known > 0) return { kind: 'duplicate', offset: known, time: 1 }
          if (one.expectedOffset !== null && one.expectedOffset !== stored.length)
            return { kind: 'conflict', head: stored.length }
          const offset = stored.push(one.data)
          const { channel, id, type, data, meta, partition } = one
          return {
            kind: 'stored',
            event: { channel, id, type, data, meta, partition, offset, position: offset, time: 1 },
          }
        })
      },
      epochFound: epoch => epochs.push(epoch) > 0 && !pastEpochs.includes(epoch),
      released: bytes => {
        released += bytes
      },
      attemptFailed: () => {},
    },
    { ...limits, ...over },
  )
  return { lane, batches, stored, epochs, released: () => released }
}

const sqlError = (code: string, detail?: string) =>
  postgresError(Object.assign(new Error(code), { code, detail }))

test('events of one turn are one batch, and what arrives during its flight is the next', async () => {
  let land = () => {}
  const flight = new Promise<void>(resolve => {
    land = resolve
  })
  const { lane, batches, released } = laneOver((_, attempt) => (attempt === 1 ? flight : Promise.resolve()))
  const first = [lane.append(entry(1)), lane.append(entry(2))]
  await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
  const second = [lane.append(entry(3)), lane.append(entry(4)), lane.append(entry(5))]
  land()
  await Promise.all([...first, ...second])
  expect(batches).toEqual([
    ['1', '2'],
    ['3', '4', '5'],
  ])
  expect(released()).toBeGreaterThan(0)
})

test('a batch is bounded by count and by bytes, and an event above the bound travels alone', async () => {
  const { lane, batches } = laneOver(async () => {}, { batchEvents: 3, batchBytes: 2_000 })
  const big = `"${'x'.repeat(5_000)}"`
  await Promise.all([1, 2, 3, 4].map(n => lane.append(entry(n))))
  await Promise.all([lane.append(entry(0, { data: big })), lane.append(entry(5))])
  expect(batches).toEqual([['1', '2', '3'], ['4'], [big], ['5']])
})

test('a batch of unknown fate is repeated before any later one is sent', async () => {
  const { lane, batches, stored } = laneOver(async (entries, attempt) => {
    if (attempt > 2) return
    // The commit happened, the answer did not come.
    for (const { data } of entries) if (!stored.includes(data)) stored.push(data)
    throw sqlError('CONNECTION_CLOSED')
  })
  const first = lane.append(entry(1))
  await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
  const second = lane.append(entry(2))
  expect(await first).toMatchObject({ kind: 'duplicate', offset: 1 })
  expect(await second).toMatchObject({ kind: 'stored', event: { offset: 2 } })
  expect(batches).toEqual([['1'], ['1'], ['1'], ['2']])
})

test('beyond its deadline an append ends in a temporary error that tells whether it was sent', async () => {
  const { lane, released } = laneOver(async () => Promise.reject(sqlError('ECONNREFUSED')), {
    deadlineMs: 80,
  })
  const ends = await Promise.allSettled([lane.append(entry(1)), lane.append(entry(2))])
  for (const end of ends) {
    expect(end).toMatchObject({
      status: 'rejected',
      reason: { code: 'DEPENDENCY_TIMEOUT', remedy: 'retry_later' },
    })
  }
  await lane.idle()
  expect(released()).toBe(2 * entry(1).bytes)
})

test('an answer that never comes ends every append of the lane, the waiting ones too', async () => {
  const { lane } = laneOver(() => new Promise(() => {}), { deadlineMs: 60, batchEvents: 1 })
  const ends = await Promise.allSettled([1, 2, 3].map(n => lane.append(entry(n))))
  const messages = ends.map(end =>
    end.status === 'rejected' ? (end.reason as HoldfastError).message : 'stored',
  )
  expect(messages[0]).toContain('may be stored or not')
  expect(messages[1]).toContain('was not sent')
  expect(messages[2]).toContain('was not sent')
})

test('an event that the database cannot take does not fail its neighbours', async () => {
  const { lane, stored } = laneOver(async entries => {
    if (entries.some(({ data }) => data === '3')) throw sqlError('22P05')
  })
  const outcomes = await Promise.all([1, 2, 3, 4, 5].map(n => lane.append(entry(n))))
  expect(outcomes.map(({ kind }) => kind)).toEqual(['stored', 'stored', 'refused', 'stored', 'stored'])
  expect(stored).toEqual(['1', '2', '4', '5'])
})

test('under another epoch plain events go on, and expected offsets are void', async () => {
  const { lane, epochs, stored } = laneOver(async (_, attempt) => {
    if (attempt === 1) throw sqlError('HF001', 'second')
  })
  const [plain, expecting] = await Promise.allSettled([
    lane.append(entry(1)),
    lane.append(entry(2, { expectedOffset: 7 })),
  ])
  expect(epochs).toEqual(['second'])
  expect(plain).toMatchObject({ status: 'fulfilled', value: { kind: 'stored' } })
  expect(expecting).toMatchObject({ status: 'rejected', reason: { code: 'EPOCH_CHANGED' } })
  expect(stored).toEqual(['1'])
})

test('a server with a past epoch makes no offset void: the append fails for now', async () => {
  const { lane, batches } = laneOver(() => Promise.reject(sqlError('HF001', 'past')), {}, ['past'])
  const error = await lane.append(entry(1, { expectedOffset: 0 })).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'DEPENDENCY_FAILED', remedy: 'retry_later' })
  expect(batches).toHaveLength(1)
})

test('a refusal of the statement itself is not repeated', async () => {
  const { lane, batches } = laneOver(async () => Promise.reject(sqlError('42501')))
  await expect(lane.append(entry(1))).rejects.toBeInstanceOf(HoldfastError)
  expect(batches).toHaveLength(1)
})

test('events that go together are one batch, wholly sent again while their fate is unknown', async () => {
  const { lane, batches, stored } = laneOver(async (_, attempt) => {
    if (attempt === 1) throw sqlError('CONNECTION_CLOSED')
  })
  const [first, second, third] = [entry(1, { expectedOffset: 0 }), entry(2), entry(3)]
  const together = lane.appendTogether([first, second, third], 600)
  const alone = lane.append(entry(4))
  expect(await together).toMatchObject({
    kind: 'stored',
    events: [{ data: '1' }, { data: '2' }, { data: '3' }],
  })
  expect((await alone).kind).toBe('stored')
  expect(batches).toEqual([
    ['1', '2', '3', '4'],
    ['1', '2', '3', '4'],
  ])
  expect(stored).toEqual(['1', '2', '3', '4'])
})

test('a batch ends before events that go together and do not all fit', async () => {
  const { lane, batches } = laneOver(async () => {}, { batchEvents: 3 })
  const ends = [
    lane.append(entry(1)),
    lane.append(entry(2)),
    lane.appendTogether([entry(3), entry(4)], 400),
    lane.append(entry(5)),
    lane.appendTogether([entry(6), entry(7), entry(8), entry(9)], 800),
  ]
  await Promise.all(ends)
  expect(batches).toEqual([
    ['1', '2'],
    ['3', '4', '5'],
    ['6', '7', '8', '9'],
  ])
})

test('what waits expects no offset of an epoch that has ended meanwhile', async () => {
  const { promise, resolve: land } = Promise.withResolvers<void>()
  const { lane, stored } = laneOver((_, attempt) => (attempt === 1 ? promise : Promise.resolve()))
  const flying = lane.append(entry(1))
  await new Promise(resolve => setImmediate(resolve))
  const waiting = lane.append(entry(2, { expectedOffset: 1 }))
  const free = lane.append(entry(3))
  lane.beginEpoch('next')
  land()
  await flying
  await expect(waiting).rejects.toMatchObject({ code: 'EPOCH_CHANGED' })
  expect((await free).kind).toBe('stored')
  expect(stored).toEqual(['1', '3'])
})
