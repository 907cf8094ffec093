import { checkChannel, HoldfastError, normalizeEventId } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import { partitionOf } from '../ledger/partition-of.ts'

/** What an erased event has become: its place stays, what it said is gone. */
export interface Erased {
  readonly channel: string
  readonly offset: number
  readonly id: string
  /** It had been erased before: nothing was changed. */
  readonly already: boolean
}

export interface EraseRequest {
  readonly channel: string
  readonly event: { readonly offset: number } | { readonly id: string }
  readonly actor: string
  readonly reason: string
}

export interface ErasureOperations {
  /**
   * Takes away an event's type, data and info, and records who did it and why; the event `EventErased` in
   * `holdfast:erasures` says so to everybody. The copies in Redis are removed by the nodes, see `startForgetting`.
   * @throws HoldfastError REQUEST_INVALID without a reason, and where the ledger does not have the event
   */
  erase(request: EraseRequest): Promise<Erased>
  /** Erasures whose copies in Redis are not known to be gone yet. */
  pending(): Promise<number>
}

export function erasureOperations(sql: Sql): ErasureOperations {
  return {
    erase: request => erase(sql, request),
    async pending() {
      const [row] = await sql<{ count: number }[]>`
        select count(*) as count from holdfast.erasures where forgotten is null`
      return row?.count ?? 0
    },
  }
}

async function erase(sql: Sql, { channel, event, actor, reason }: EraseRequest): Promise<Erased> {
  checkChannel(channel)
  if (reason.trim() === '') {
    throw new HoldfastError('REQUEST_INVALID', 'expected a reason: an erasure can’t be taken back')
  }
  const [ledger] = await sql<{ epoch: string; partitions: number }[]>`
    select epoch, partitions from holdfast.ledger`
  const { epoch = '', partitions = 1 } = ledger ?? {}
  const partition = partitionOf(channel, partitions)
  const offset = 'offset' in event ? event.offset : await offsetOf(sql, partition, channel, event.id)
  const [done] = await sql<{ outcome: string; id: string }[]>`
    select outcome, id from holdfast.erase_event(
      ${epoch}, ${partition}, ${channel}, ${offset}::bigint, ${actor}, ${reason})`
  if (!done) throw await missing(sql, partition, channel, offset)
  return { channel, offset, id: done.id, already: done.outcome === 'already' }
}

async function offsetOf(sql: Sql, partition: number, channel: string, given: string): Promise<number> {
  const id = normalizeEventId(given)
  if (id === undefined) throw new HoldfastError('REQUEST_INVALID', `expected a UUID as id, got ${given}`)
  const [row] = await sql<{ offset: number }[]>`
    select "offset" from holdfast.events where partition = ${partition} and id = ${id} and channel = ${channel}`
  if (row) return row.offset
  throw new HoldfastError('REQUEST_INVALID', `${channel} has no event ${id}`)
}

async function missing(sql: Sql, partition: number, channel: string, offset: number): Promise<HoldfastError> {
  const [floor] = await sql<{ floor: number }[]>`
    select floor from holdfast.channel_floor where partition = ${partition} and channel = ${channel}`
  const removed = floor !== undefined && offset <= floor.floor
  return new HoldfastError(
    'REQUEST_INVALID',
    removed
      ? `retention has removed ${channel} ${offset} already: the first there is is ${floor.floor + 1}`
      : `${channel} has no event ${offset}`,
  )
}
