import { HoldfastError, type StoredEvent } from '../../domain/index.ts'
import { type Sql, type Transaction, transaction } from '../../platform/index.ts'
import { AnsweringPool } from '../ledger/answering-pool.ts'
import { intArray, textArray } from '../ledger/array-literal.ts'
import {
  consumerOf,
  endDeliveries,
  moveCheckpoint,
  type NewRow,
  type OpenRow,
  type Place,
  type Statements,
} from './delivery-rows.ts'
import { sqlState } from './sql-state.ts'
import type { Tick } from './tick.ts'

/** Longer than any of these statements takes; a lease is longer still, or is lost with the database's answer. */
const answerMs = 4_500
const graceSeconds = 1

/** How many deliveries of a partition are open, in the words by which a change is noticed. */
export interface OpenCounts {
  readonly partition: number
  readonly open: number
  readonly parked: number
  readonly retrying: number
  /** Of those that are retrying. */
  readonly due: number
}

/**
 * What groups keep in Postgres, over connections of their own: a tick must not wait for handlers. All calls fail with
 * DEPENDENCY_TIMEOUT or DEPENDENCY_FAILED.
 */
export class GroupStore {
  readonly #pool: AnsweringPool

  constructor(open: () => Sql) {
    this.#pool = new AnsweringPool(open, { timeoutMs: answerMs, graceSeconds })
  }

  /** For the statements that are one mode's own. */
  run<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    return this.#pool.run(work)
  }

  /** @throws HoldfastError CONFIG_INVALID where the group is there in the other mode */
  async declare(
    group: string,
    mode: 'ordered' | 'competing',
    namespaces: readonly string[] | null,
    start: 'beginning' | 'now',
  ): Promise<void> {
    const list = namespaces && textArray(namespaces, name => name)
    try {
      await this.#pool.run(
        sql => sql`select holdfast.declare_group(${group}, ${mode}, ${list}::text[], ${start})`,
      )
    } catch (error) {
      if (sqlState(error) !== 'HF004') throw error
      throw new HoldfastError(
        'CONFIG_INVALID',
        `the group ${group} exists in the other mode than ${mode}; remove it ("holdfast groups remove"), or name another`,
      )
    }
  }

  /** Undefined where the group is not there (any more). */
  async tick(
    group: string,
    member: { readonly id: string; readonly node: string },
    leaseMs: number,
    letGo: readonly number[],
  ): Promise<Tick | undefined> {
    try {
      const rows = await this.#pool.run(
        // The group stands outside, so that a member without a partition hears of a pause too.
        sql => sql<(Tick['held'][number] & { paused: boolean | null })[]>`
          select t.partition, t.epoch, t.position, t.fence, t.surplus, g.paused
          from (select 1) as once
          left join holdfast.tick_group(
            ${group}, ${member.id}, ${member.node}, ${leaseMs}, ${intArray(letGo, one => one)}::int[]) as t on true
          left join holdfast.groups as g on g.name = ${group}`,
      )
      return { held: rows.filter(row => row.partition !== null), paused: rows[0]?.paused === true }
    } catch (error) {
      if (sqlState(error) === 'HF005') return undefined
      throw error
    }
  }

  async leave(group: string, member: string): Promise<void> {
    await this.#pool.run(sql => sql`select holdfast.leave_group(${group}, ${member})`)
  }

  /** Moves the checkpoint without an effect. False where the place is not ours any more. */
  moveCheckpoint(place: Place, from: number, to: number, rows: readonly NewRow[]): Promise<boolean> {
    return this.#settle(rows.length === 0 ? 1 : 2, db => moveCheckpoint(db, place, from, to, rows))
  }

  /** Ends deliveries without an effect. False where the place or one of them is not ours any more. */
  endDeliveries(place: Place, positions: readonly number[]): Promise<boolean> {
    return this.#settle(1, db => endDeliveries(db, place, positions))
  }

  /** Writes how the handling of an open delivery has ended once more. False where it is not ours any more. */
  oweAgain(place: Place, row: Omit<NewRow, 'event'> & { readonly position: number }): Promise<boolean> {
    const { group, partition, epoch, fence } = place
    const { position, state, attempts, reason, dueInMs } = row
    return this.#settle(1, db => [
      db`select holdfast.owe_again(
           ${group}, ${partition}, ${epoch}, ${fence}, ${position}, ${state}, ${attempts}, ${reason}, ${Math.ceil(dueInMs)})`.execute(),
    ])
  }

  /** All open deliveries of a group in a partition, in their order. */
  async openRows(group: string, partition: number): Promise<readonly OpenRow[]> {
    return this.#pool.run(
      sql => sql<OpenRow[]>`
        select position, channel, state, attempts,
               greatest(0, due - floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as "dueInMs"
        from holdfast.deliveries
        where consumer = ${consumerOf(group)} and partition = ${partition}
          and state in ('waiting', 'retrying', 'queued', 'parked')
        order by position`,
    )
  }

  /** Of the partitions that have any. */
  async openCounts(group: string, partitions: readonly number[]): Promise<readonly OpenCounts[]> {
    return this.#pool.run(
      sql => sql<OpenCounts[]>`
        select partition, count(*) as open, count(*) filter (where state = 'parked') as parked,
               count(*) filter (where state = 'retrying') as retrying,
               count(*) filter (where state = 'retrying' and due <= extract(epoch from clock_timestamp()) * 1000) as due
        from holdfast.deliveries
        where consumer = ${consumerOf(group)} and partition = any (${intArray(partitions, one => one)}::int[])
          and state in ('waiting', 'retrying', 'queued', 'parked')
        group by partition`,
    )
  }

  /** Events at these positions, in ascending order; those that were erased are missing. */
  async events(partition: number, positions: readonly number[]): Promise<readonly StoredEvent[]> {
    return this.#pool.run(
      sql => sql<StoredEvent[]>`
        select partition, position, channel, "offset", id, type, data, meta, time from holdfast.events
        where partition = ${partition} and position = any (${intArray(positions, one => one)}::bigint[])
        order by position`,
    )
  }

  async close(): Promise<void> {
    await this.#pool.close()
  }

  /** In one transaction, where there are several. False: refused, because the place is not ours any more. */
  async #settle(count: number, statements: (db: Sql | Transaction) => Statements): Promise<boolean> {
    try {
      await this.#pool.run(async sql => {
        if (count === 1) await Promise.all(statements(sql))
        else await transaction(sql, tx => Promise.all(statements(tx)))
      })
      return true
    } catch (error) {
      if (sqlState(error) === 'HF006') return false
      throw error
    }
  }
}
