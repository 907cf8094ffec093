import type { Centrifuge, HistoryOptions } from 'centrifuge'
import type { TimedPublication } from './sdk.ts'
import type { Received } from './types.ts'

/** A publication in the application's words. */
export function received(publication: TimedPublication): Received {
  const tags = publication.tags ?? {}
  return {
    channel: publication.channel,
    type: tags.type ?? 'publication',
    data: publication.data,
    id: tags.id,
    offset: publication.offset,
    time: publication.time,
    info: publication.info,
    tags,
  }
}

export interface HistoryPage<Event = Received> {
  readonly events: readonly Event[]
  /** The offset of the last event there is. */
  readonly head: number
  readonly epoch: string
}

export async function readHistory(
  sdk: Centrifuge,
  channel: string,
  options: HistoryOptions,
): Promise<HistoryPage> {
  const result = await sdk.history(channel, options)
  return { events: result.publications.map(received), head: result.offset, epoch: result.epoch }
}
