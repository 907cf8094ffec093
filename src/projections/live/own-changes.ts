import { channelPattern, HoldfastError } from '../../domain/index.ts'
import type { Projection } from '../types.ts'
import type { ChangeEventType } from './change-outlet.ts'

const told: readonly ChangeEventType[] = ['ProjectionChanged', 'ProjectionReset']

/**
 * What is told to a durable channel is an event: a projection that reads it would change, and tell of it, for ever.
 * @throws HoldfastError CONFIG_INVALID where a projection reads the durable channel that it tells
 */
export function checkOwnChanges(
  { name, channels, types }: Pick<Projection, 'name' | 'channels' | 'types'>,
  channel: string,
): void {
  if (types && !told.some(type => types.includes(type))) return
  const own = channels.find(pattern => channelPattern(pattern).match(channel))
  if (own === undefined) return
  throw new HoldfastError(
    'CONFIG_INVALID',
    `projection ${name}: its changes go to ${channel}, which its own pattern ${own} matches, so it would feed itself for ever; name another channel as changes, or the types that it needs`,
  )
}
