import { eventIdFrom } from '../domain/index.ts'
import type { LogAccess } from '../durable/index.ts'
import { maxEvents } from './decide.ts'
import type { Commanded } from './types.ts'

/**
 * What a command of this id has recorded in a channel; undefined: nothing that is still there. Its events lie next to each
 * other, and their ids are made from its own and from their numbers.
 */
export async function findRecorded(
  ledger: LogAccess['ledger'],
  { channel, id }: { readonly channel: string; readonly id: string },
): Promise<Commanded | undefined> {
  const offset = await ledger.offsetOf(channel, eventIdFrom(id, '0'))
  if (offset === undefined) return undefined
  const { epoch } = ledger
  const page = await ledger.readChannel(channel, { since: offset - 1, limit: maxEvents })
  const end = page.events.findIndex((event, i) => event.id !== eventIdFrom(id, String(i)))
  const own = end < 0 ? page.events : page.events.slice(0, end)
  const last = own.at(-1)
  if (!last) return undefined
  const events = own.map(event => ({ id: event.id, type: event.type, offset: event.offset }))
  return { id, offset: last.offset, epoch, events, duplicate: true }
}
