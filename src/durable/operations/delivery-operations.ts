import { HoldfastError } from '../../domain/index.ts'
import type { Sql } from '../../platform/index.ts'
import { partitionOf } from '../ledger/partition-of.ts'
import { type Changed, decide, redriveChannel } from './decisions.ts'
import type { ParkedFilter, Selection } from './delivery.ts'
import { type EventStory, eventStories } from './event-story.ts'
import { type Inspection, inspect } from './inspection.ts'
import { type OpenAge, openAges } from './open-ages.ts'
import { listParked, type ParkedPage, type Preview, previewParked } from './parked.ts'

/** Parked deliveries, and what has become of an event. Every decision is recorded with the one who took it. */
export interface DeliveryOperations {
  list(filter: ParkedFilter, page: { after?: number | undefined; limit: number }): Promise<ParkedPage>
  /** What a redrive or a discard would hit now. */
  preview(selection: Selection): Promise<Preview>
  /** Undefined where there is no delivery of this id (any more). */
  inspect(id: number): Promise<Inspection | undefined>
  /**
   * Has parked deliveries handled again, in steps of 500; `onStep` hears how many each has changed. In an ordered group
   * one with an earlier open delivery in its channel goes on after that.
   */
  redrive(selection: Selection, by: { actor: string }, onStep?: (changed: number) => void): Promise<Changed>
  /** Has a channel handled in its order: the first open delivery is set free, the others follow by themselves. */
  redriveChannel(
    channel: string,
    by: { actor: string; consumer?: string | undefined },
  ): Promise<{ changed: number }>
  /**
   * Takes parked deliveries out for good; what waited behind them goes on.
   * @throws HoldfastError REQUEST_INVALID without a reason
   */
  discard(
    selection: Selection,
    by: { actor: string; reason: string },
    onStep?: (changed: number) => void,
  ): Promise<Changed>
  /** By consumer and state, how old the oldest open delivery is. */
  ages(): Promise<readonly OpenAge[]>
  /** By id, which several channels may share, or by place. Empty where no such event was ever recorded. */
  ofEvent(
    event: { readonly id: string } | { readonly channel: string; readonly offset: number },
  ): Promise<EventStory[]>
}

export function deliveryOperations(sql: Sql): DeliveryOperations {
  return {
    list: (filter, page) => listParked(sql, filter, page),
    preview: selection => previewParked(sql, selection),
    inspect: id => inspect(sql, id),
    redrive: (selection, { actor }, onStep) => decide(sql, 'redrive', selection, { actor }, onStep),
    async redriveChannel(channel, { actor, consumer }) {
      const [ledger] = await sql<{ partitions: number }[]>`select partitions from holdfast.ledger`
      const partition = partitionOf(channel, ledger?.partitions ?? 1)
      return redriveChannel(sql, { partition, channel, consumer }, { actor })
    },
    async discard(selection, { actor, reason }, onStep) {
      if (reason.trim() === '') {
        throw new HoldfastError('REQUEST_INVALID', 'expected a reason: what is discarded is never handled')
      }
      return decide(sql, 'discard', selection, { actor, reason }, onStep)
    },
    ages: () => openAges(sql),
    ofEvent: event => eventStories(sql, event),
  }
}
