import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type TestLedger, testLedger } from '../../../test/support/ledger.ts'
import { seeded } from '../../../test/support/seeded.ts'
import { until } from '../../../test/support/until.ts'
import { connectPostgres, type Sql, type Transaction } from '../../platform/index.ts'
import { intArray } from '../ledger/array-literal.ts'
import { groupOperations } from './group-operations.ts'

let db: TestLedger
let sql: Sql
let partition: number
let epoch: string
let n = 0
let group: string

beforeAll(async () => {
  db = await testLedger()
  sql = connectPostgres(db.url, { max: 12, applicationName: 'holdfast-test' })
  const [ledger] = db.ledgers
  epoch = ledger.epoch
  partition = ledger.partitionOf('a:1')
  await append(200)
})
afterAll(async () => {
  await sql.end({ timeout: 1 })
  await db.close()
})
beforeEach(async () => {
  group = `group-${n++}`
  await sql`select holdfast.declare_group(${group}, 'competing', null, 'beginning')`
})

async function append(count: number): Promise<void> {
  const [ledger] = db.ledgers
  const ids = Array.from({ length: count }, () => crypto.randomUUID())
  await Promise.all(ids.map(id => ledger.append({ channel: 'a:1', type: 'Numbered', data: '{}', id })))
}

async function take(
  tx: Transaction | Sql,
  positions: number[],
  of = epoch,
  patienceMs = 20_000,
): Promise<number[]> {
  const [row] = await tx<{ taken: number[] }[]>`
    select array_to_json(holdfast.take_positions(${group}, ${of}, ${partition},
                         ${intArray(positions, one => one)}::bigint[], ${patienceMs}))::text as taken`
  return JSON.parse(String(row?.taken)) as number[]
}

async function raise(on: Transaction | Sql = sql, fence?: number): Promise<number | null> {
  const [row] = await on<{ floor: number | null }[]>`
    select holdfast.raise_floor(${group}, ${partition}, ${fence ?? (await place()).fence}) as floor`
  return row?.floor ?? null
}

async function place(): Promise<{ position: number; fence: number }> {
  const [row] = await sql<{ position: number; fence: number }[]>`
    select position, fence from holdfast.group_partitions where "group" = ${group} and partition = ${partition}`
  return row ?? { position: -1, fence: -1 }
}

async function settledRows(): Promise<number[]> {
  const rows = await sql<{ position: number }[]>`
    select position from holdfast.group_settled where "group" = ${group} order by position`
  return rows.map(row => row.position)
}

/** A transaction that does `first`, and then stays open until it is ended. */
async function open<T>(first: (tx: Transaction) => Promise<T>) {
  const gate = Promise.withResolvers<'commit' | 'rollback'>()
  const began = Promise.withResolvers<T>()
  const ended = sql
    .begin(async tx => {
      began.resolve(await first(tx))
      if ((await gate.promise) === 'rollback') throw new Error('rolled back')
    })
    .catch(error => {
      began.reject(error)
      if (error.message !== 'rolled back') throw error
    })
  const value = await began.promise
  const end = async (how: 'commit' | 'rollback') => {
    gate.resolve(how)
    await ended
  }
  return { value, commit: () => end('commit'), rollback: () => end('rollback') }
}

/** What a call comes to that has to wait for another transaction first. */
async function waiting<T>(call: Promise<T>): Promise<Promise<T>[]> {
  call.catch(() => undefined)
  await until('it waits for a lock', async () => {
    const [row] = await sql<{ count: number }[]>`
      select count(*)::int as count from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`
    return (row?.count ?? 0) > 0
  })
  return [call]
}

describe('taking positions', () => {
  it('gives each of them to one', async () => {
    expect(await take(sql, [3, 1, 2, 2])).toEqual([1, 2, 3])
    expect(await take(sql, [2, 3, 4])).toEqual([4])
  })

  it('lets the second wait, and gives it what the first has rolled back', async () => {
    const first = await open(tx => take(tx, [1, 2]))
    const [second] = await waiting(take(sql, [2, 3]))
    await first.rollback()
    expect(await second).toEqual([2, 3])
  })

  it('lets the second wait, and gives it nothing that the first has committed', async () => {
    const first = await open(tx => take(tx, [1, 2]))
    const [second] = await waiting(take(sql, [2, 3]))
    await first.commit()
    expect(await second).toEqual([3])
  })

  it('waits only so long, and does not make the rest of the transaction impatient', async () => {
    const first = await open(tx => take(tx, [1, 2]))
    await expect(take(sql, [2], epoch, 20)).rejects.toMatchObject({ code: '55P03' })
    const [row] = await sql.begin(async tx => {
      await take(tx, [3], epoch, 20)
      return tx<{ lock_timeout: string }[]>`show lock_timeout`
    })
    expect(row?.lock_timeout).toBe('0')
    await first.commit()
  })

  it('lets two that want the same ones in another order not wait for each other', async () => {
    const wanted = Array.from({ length: 100 }, (_, i) => i + 1)
    const both = await Promise.all([take(sql, wanted), take(sql, wanted.toReversed())])
    expect(both.flat().sort((a, b) => a - b)).toEqual(wanted)
  })

  it('gives nothing below the floor, and leaves no row there', async () => {
    await take(sql, [1, 2, 3])
    expect(await raise()).toBe(3)
    expect(await take(sql, [2, 3, 4])).toEqual([4])
    expect(await settledRows()).toEqual([4])
  })

  it('gives nothing that a floor rises over at this moment', async () => {
    await take(sql, [1, 2, 3])
    const raising = await open(tx => raise(tx))
    const [taking] = await waiting(take(sql, [2, 3, 4]))
    await raising.commit()
    expect(await taking).toEqual([4])
    expect(await settledRows()).toEqual([4])
  })

  it('gives nothing that a floor would have risen over, if it does not', async () => {
    await take(sql, [1, 2, 3])
    const raising = await open(tx => raise(tx))
    const [taking] = await waiting(take(sql, [2, 3, 4]))
    await raising.rollback()
    expect(await taking).toEqual([4])
    expect(await settledRows()).toEqual([1, 2, 3, 4])
  })

  it('settles nothing that the ledger does not have', async () => {
    expect(await take(sql, [199, 200, 201, 5_000])).toEqual([199, 200])
  })

  it('refuses another epoch, a group that is gone, and a transaction with one snapshot', async () => {
    await expect(take(sql, [1], 'other')).rejects.toMatchObject({ code: 'HF001', detail: epoch })
    await expect(sql.begin('isolation level repeatable read', tx => take(tx, [1]))).rejects.toMatchObject({
      code: 'HF002',
    })
    await sql`delete from holdfast.group_partitions where "group" = ${group}`
    await expect(take(sql, [1])).rejects.toMatchObject({ code: 'HF005' })
    expect(await settledRows()).toEqual([])
  })

  it('has lost nothing and repeats nothing when the epoch changes while positions are in hand', async () => {
    const early = await open(tx => take(tx, [1, 2]))
    const [before] = await sql<{ epoch: string }[]>`select epoch from holdfast.ledger`
    await sql`select holdfast.new_epoch()`
    await sql`select holdfast.adopt_epoch(${group})`
    await early.commit()
    const [after] = await sql<{ epoch: string }[]>`select epoch from holdfast.ledger`
    expect(after?.epoch).not.toBe(before?.epoch)
    await expect(take(sql, [3], before?.epoch)).rejects.toMatchObject({ code: 'HF001' })
    expect(await take(sql, [1, 2, 3], after?.epoch)).toEqual([3])
    epoch = after?.epoch ?? ''
  })
})

describe('removing a group', () => {
  const remove = () => groupOperations(sql).remove(group, { actor: 'the test' })
  const declare = () => sql`select holdfast.declare_group(${group}, 'competing', null, 'beginning')`

  it('waits for those that have taken something, so that a later group of its name begins anew', async () => {
    const early = await open(tx => take(tx, [1, 2]))
    const [removing] = await waiting(remove())
    // Nobody takes anything behind its back, or waits for it for long.
    await expect(take(sql, [3], epoch, 20)).rejects.toMatchObject({ code: '55P03' })
    await early.commit()
    await removing
    await expect(take(sql, [3])).rejects.toMatchObject({ code: 'HF005' })
    await declare()
    expect(await take(sql, [1, 2, 3])).toEqual([1, 2, 3])
  })

  it('is refused while a handler does not end', async () => {
    const hanging = await open(tx => take(tx, [1]))
    await expect(remove()).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
      message: expect.stringContaining('stop its workers'),
    })
    await hanging.commit()
    expect(await remove()).toEqual({ discarded: 0 })
  })
})

describe('what is not settled', () => {
  it('is listed in order with its events, from the floor on, with what retention has removed', async () => {
    await take(sql, [1, 2, 4])
    await raise()
    const list = (from: number, to: number, limit: number) => sql<{ position: number; id: string | null }[]>`
      select * from holdfast.unsettled_events(${group}, ${partition}, ${from}, ${to}, ${limit})`
    expect((await list(1, 7, 3)).map(row => row.position)).toEqual([3, 5, 6])
    expect((await list(1, 7, 1))[0]).toMatchObject({ position: 3, channel: 'a:1', offset: 3, data: '{}' })
    expect((await list(199, 202, 9)).map(row => [row.position, row.id !== null])).toEqual([
      [199, true],
      [200, true],
      [201, false],
      [202, false],
    ])
  })
})

describe('raising the floor', () => {
  it('stops below what is missing or not committed', async () => {
    await take(sql, [1, 2, 4])
    const open3 = await open(tx => take(tx, [3]))
    expect(await raise()).toBe(2)
    await open3.commit()
    expect(await raise()).toBe(4)
    expect(await settledRows()).toEqual([])
    expect(await raise()).toBe(4)
  })

  it('is refused to a former holder', async () => {
    await take(sql, [1])
    expect(await raise(sql, (await place()).fence + 1)).toBeNull()
    expect((await place()).position).toBe(0)
  })

  it('waits for nobody', async () => {
    await take(sql, [1])
    const tick = await open(
      tx => tx`update holdfast.group_partitions set moved = moved where "group" = ${group}`,
    )
    expect(await raise()).toBeNull()
    await tick.commit()
    expect(await raise()).toBe(1)
  })
})

describe('many at once', () => {
  it('have every effect exactly once, whatever is rolled back', async () => {
    const seed = Math.trunc(Math.random() * 1e9)
    const random = seeded(seed)
    await sql`create table effects (position bigint)`
    const worker = async () => {
      for (let turn = 0; turn < 60; turn++) {
        const from = Math.trunc(random() * 200) + 1
        const wanted = Array.from({ length: 1 + Math.trunc(random() * 12) }, (_, i) => from + i)
        const fails = random() < 0.3
        await sql
          .begin(async tx => {
            const taken = await take(tx, wanted)
            for (const each of taken) await tx`insert into effects values (${each})`
            if (fails) throw new Error('rolled back')
          })
          .catch(error => {
            if (error.message !== 'rolled back') throw error
          })
        if (random() < 0.5) await raise()
      }
    }
    await Promise.all(Array.from({ length: 8 }, worker))
    const all = Array.from({ length: 200 }, (_, i) => i + 1)
    const late = await take(sql, all)
    for (const each of late) await sql`insert into effects values (${each})`
    const effects = await sql<{ position: number }[]>`select position from effects order by position`
    expect({ seed, effects: effects.map(row => row.position) }).toEqual({ seed, effects: all })
    await raise()
    expect(await place()).toMatchObject({ position: 200 })
    expect(await settledRows()).toEqual([])
  })
})
