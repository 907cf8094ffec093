import { checkChannel, HoldfastError } from '../../domain/index.ts'
import type { CheckpointWatch, Reached } from '../../durable/index.ts'
import type { Build } from '../types.ts'
import type { AtLeast, Waiting } from './row-query.ts'

/** Waits until a build has what its reader asks for. @throws HoldfastError */
export async function reachOf(
  checkpoints: CheckpointWatch,
  build: Pick<Build, 'projection' | 'group'>,
  { atLeast }: Pick<Waiting, 'atLeast'>,
  until: number,
): Promise<void> {
  if (!atLeast) return
  checkChannel(atLeast.channel)
  if (!Number.isSafeInteger(atLeast.offset) || atLeast.offset < 0)
    throw new HoldfastError('REQUEST_INVALID', `atLeast: expected an offset from 0, got ${atLeast.offset}`)
  const reached = await checkpoints.reach(build.group, atLeast, Math.max(0, until - performance.now()))
  if (reached.kind !== 'reached') throw notReached(reached, build.projection, atLeast)
}

function notReached(
  end: Exclude<Reached, { kind: 'reached' }>,
  projection: string,
  { channel, offset }: AtLeast,
): HoldfastError {
  const event = `event ${offset} of ${channel}`
  switch (end.kind) {
    case 'parked':
      return new HoldfastError(
        'PROJECTION_PARKED',
        `${projection} has set aside event ${end.offset} of ${channel}, and will not go on to ${event} before somebody decides: ${end.reason}`,
        { details: { channel, offset: end.offset } },
      )
    case 'late': {
      const why = end.retrying
        ? 'an event of the channel is being tried again'
        : `${end.events} events before it`
      return new HoldfastError('PROJECTION_BEHIND', `${projection} has not got to ${event} in time: ${why}`, {
        details: { events: end.events },
      })
    }
    case 'not_there':
      return new HoldfastError(
        'REQUEST_INVALID',
        `atLeast: there is no ${event}; the last one is ${end.head}`,
      )
    case 'other_epoch':
      return new HoldfastError(
        'POSITION_LOST',
        `${event}: the ledger has begun another epoch (${end.epoch}), in which it may be missing`,
      )
  }
}
