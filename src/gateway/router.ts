import {
  type Appended,
  checkChannel,
  HoldfastError,
  isSystemChannel,
  type NamespaceOptions,
  type NewEvent,
  namespaceOf,
} from '../domain/index.ts'
import type { DurableTier } from '../durable/index.ts'
import type { RealtimeTier } from '../realtime/index.ts'
import { eventIdOfKey } from './event-key.ts'
import { PublicationCounts } from './publication-counts.ts'
import type { Router } from './types.ts'

/** Of one answer: above it who asks is told to ask for the numbers instead. */
export const maxPresenceClients = 10_000

export interface RouterOptions {
  readonly namespaces: Readonly<Record<string, NamespaceOptions>>
  readonly realtime: RealtimeTier
  /** Undefined where no Postgres is configured: durable channels exist and answer NOT_AVAILABLE. */
  readonly durable: DurableTier | undefined
  /** Where publications are counted. */
  readonly counts?: PublicationCounts
}

/** The type of an event that was published instead of appended. */
export const publishedType = 'publication'

export function createRouter({
  namespaces,
  realtime,
  durable,
  counts = new PublicationCounts(),
}: RouterOptions): Router {
  const options = (channel: string): NamespaceOptions => {
    const name = namespaceOf(checkChannel(channel))
    const found = Object.hasOwn(namespaces, name) ? namespaces[name] : undefined
    if (found) return found
    throw new HoldfastError('CHANNEL_UNKNOWN', `the namespace ${JSON.stringify(name)} is not declared`)
  }
  const isDurable = (channel: string): boolean => options(channel).tier === 'durable'
  const ledger = (): DurableTier => {
    if (durable) return durable
    throw new HoldfastError('NOT_AVAILABLE', 'durable channels need Postgres, and none is configured')
  }
  async function record(eventOf: () => NewEvent, channel: string): Promise<Appended> {
    const since = counts.durable.begin()
    try {
      refuseSystem(channel)
      const appended = await ledger().append(eventOf())
      counts.durable.accepted(since, appended.duplicate)
      return appended
    } catch (error) {
      counts.durable.failed(error)
      throw error
    }
  }
  return {
    options,
    async publish({ channel, data, info, tags, skipHistory, idempotencyKey, type, trace }) {
      const namespace = options(channel)
      if (namespace.tier === 'durable') {
        const event = {
          channel,
          type: type ?? publishedType,
          data,
          trace,
          ...(info === undefined ? {} : { info }),
        }
        const { offset, epoch } = await record(() => {
          if (tags) throw new HoldfastError('REQUEST_INVALID', "an event's tags are its id and type")
          const id = idempotencyKey === undefined ? undefined : eventIdOfKey(channel, idempotencyKey)
          return id === undefined ? event : { ...event, id }
        }, channel)
        return { offset, epoch }
      }
      const since = counts.realtime.begin()
      try {
        refuseSystem(channel)
        const place = await realtime.publish({
          channel,
          data,
          options: namespace,
          trace,
          ...(info === undefined ? {} : { info }),
          ...(tags === undefined ? {} : { tags }),
          ...(skipHistory === undefined ? {} : { skipHistory }),
          ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
        })
        counts.realtime.accepted(since)
        return place
      } catch (error) {
        counts.realtime.failed(error)
        throw error
      }
    },
    async append(event) {
      const durableChannel = isDurable(event.channel)
      if (durableChannel) return record(() => event, event.channel)
      throw new HoldfastError('NOT_AVAILABLE', `${event.channel} is not durable`)
    },
    async signal(signal) {
      if (isDurable(signal.channel)) {
        throw new HoldfastError(
          'NOT_AVAILABLE',
          `signals go over realtime channels, ${signal.channel} is durable`,
        )
      }
      const since = counts.realtime.begin()
      realtime.signal(signal)
      counts.realtime.accepted(since)
    },
    async history(request) {
      const namespace = options(request.channel)
      if (namespace.tier === 'durable') return ledger().history(request)
      if (namespace.history.size === 0) {
        throw new HoldfastError('NOT_AVAILABLE', `${request.channel} keeps no history`)
      }
      return realtime.history(request, namespace)
    },
    async presence(channel) {
      checkPresence(channel, options(channel))
      const present = await realtime.presence.list(channel)
      if (present.size <= maxPresenceClients) return present
      const told = `more than ${maxPresenceClients} are present; ask for presence_stats`
      throw new HoldfastError('LIMIT_EXCEEDED', told, { details: { told } })
    },
    async presenceStats(channel) {
      checkPresence(channel, options(channel))
      return realtime.presence.stats(channel)
    },
    // A durable channel with joins and leaves is known to both tiers; the durable one says how many listen.
    channels: () => new Map([...realtime.channels(), ...(durable?.channels() ?? [])]),
    status: () => ({
      durable: durable?.status() ?? { ledger: 'unreachable', mirror: 'unreachable', epoch: '' },
      bus: realtime.connected ? 'ready' : 'unreachable',
      busLosses: realtime.losses,
    }),
  }
}

function checkPresence(channel: string, options: NamespaceOptions): void {
  if (!options.presence) throw new HoldfastError('NOT_AVAILABLE', `${channel} keeps no presence`)
}

/** What it records itself does not come this way. */
function refuseSystem(channel: string): void {
  if (!isSystemChannel(channel)) return
  throw new HoldfastError('NOT_PERMITTED', `only Holdfast itself writes to ${channel}`)
}
