import type { Centrifuge, HistoryOptions } from 'centrifuge'
import type { TimedPublication } from './sdk.ts'
import type { Received } from './types.ts'

/** A publication in the application's words; without an epoch its place is not known yet. */
export function received(publication: TimedPublication, epoch?: string): Received {
  const { offset } = publication
  const tags = publication.tags ?? {}
  return {
    channel: publication.channel,
    type: tags.type ?? 'publication',
    data: publication.data,
    id: tags.id,
    offset,
    position: epoch !== undefined && offset !== undefined ? { epoch, offset } : undefined,
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
  const { publications, offset, epoch } = result
  return { events: publications.map(each => received(each, epoch)), head: offset, epoch }
}

/** A subscribe reply's data, where it is the application's: the server's own word about a floor becomes a reset. */
export function applicationData(data: unknown): unknown {
  const keys = typeof data === 'object' && data !== null ? Object.keys(data) : []
  return keys.length === 1 && keys[0] === 'holdfast' ? undefined : data
}
