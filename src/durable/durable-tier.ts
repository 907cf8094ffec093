import { randomUUID } from 'node:crypto'
import { type Appended, HoldfastError, type NewEvent, newEventId, normalizeEventId } from '../domain/index.ts'
import { ForeignMessages, type Logger, openPubSub, type RedisTarget } from '../platform/index.ts'
import type { Breakers } from '../resilience/index.ts'
import { Comparison } from './feed/comparison.ts'
import { Feeds } from './feed/feeds.ts'
import { Heads } from './feed/heads.ts'
import { History } from './feed/history.ts'
import { Pages } from './feed/pages.ts'
import { Subscribing } from './feed/subscribe.ts'
import type { Ledger } from './ledger/ledger.ts'
import { lossAdvice } from './ledger/loss-evidence.ts'
import type { OpenTier } from './log-access.ts'
import { within } from './mirror/deadline.ts'
import { entryOf } from './mirror/entry.ts'
import { PartitionFill } from './mirror/fill.ts'
import { openLogLoopBack } from './mirror/log-loopback.ts'
import { LogRedis } from './mirror/log-redis.ts'
import { LossRecord } from './mirror/loss-record.ts'
import { Mirror } from './mirror/mirror.ts'
import { MirrorMeter } from './mirror/mirror-meter.ts'
import { type MirrorOptions, mirrorDefaults, PartitionMirrors } from './mirror/partition-mirror.ts'
import { Sweeper } from './mirror/sweeper.ts'
import type { DurableStatus } from './tier.ts'

export interface DurableTierOptions {
  readonly ledger: Ledger
  /** The log's Redis; without one, nodes deliver by tailing the ledger. */
  readonly redis?: RedisTarget | undefined
  readonly nodeId?: string
  readonly logger: Logger
  /** Where messages of other releases are counted. */
  readonly foreign?: ForeignMessages
  /** Where the breaker of the log is seen and held. */
  readonly breakers?: Breakers
  readonly mirror?: Partial<MirrorOptions>
}

/** A node starts although Redis is away, and stops although it hangs. */
const redisPatienceMs = 1_000

/** Joins ledger, mirror and feeds. Owns the ledger from here on: closing the tier closes it. */
export async function createDurableTier(options: DurableTierOptions): Promise<OpenTier> {
  const { ledger, redis: target, logger, foreign = new ForeignMessages(logger) } = options
  const node = options.nodeId ?? randomUUID()
  const redis =
    target === undefined ? undefined : new LogRedis(target, `holdfast-log-${node}`, logger, options.breakers)
  const bus = target === undefined ? undefined : openPubSub(target, `holdfast-log-sub-${node}`, logger)
  const loopBack = redis && bus && openLogLoopBack(redis, bus, node, logger)
  const mirrors =
    redis && new PartitionMirrors(redis, () => ledger.epoch, { ...mirrorDefaults, ...options.mirror })
  const meter = new MirrorMeter()
  const fill = mirrors && new PartitionFill(ledger, mirrors, node, meter)
  const parts = mirrors &&
    fill && {
      mirrors,
      fill,
      mirror: new Mirror(mirrors, fill, logger, meter),
      lossRecord: new LossRecord(redis),
    }
  const sweeper = new Sweeper(ledger, parts, logger, meter)
  const heads = new Heads(ledger)
  const pages = new Pages(ledger, mirrors)
  const feeds = new Feeds({ ledger, bus, heads, pages, logger, foreign })
  const announcements = {
    reachable: () => mirrors?.reachable ?? false,
    behind: (partition: number) => sweeper.behind(partition),
    announced: (partition: number) => sweeper.announced(partition),
  }
  const comparison = new Comparison(feeds, ledger, bus, announcements, logger)
  const subscribing = new Subscribing(feeds, heads, pages)
  const history = new History(ledger, heads, pages)
  let closing = false

  const stopStored = ledger.onStored(events => {
    const entries = events.map(entryOf)
    feeds.offerOwn(entries)
    parts?.mirror.add(entries)
  })
  const stopEpoch = ledger.onEpoch(epoch => {
    logger.warn({ epoch }, 'the ledger has a new epoch: durable subscriptions start anew')
    sweeper.reset()
    parts?.mirror.reset()
    pages.clear()
    feeds.endAll()
  })
  function checkTaking(): void {
    if (closing) throw new HoldfastError('SHUTTING_DOWN', 'this node is stopping')
    if (ledger.losses.lostOn !== undefined) throw new HoldfastError('LEDGER_BEHIND', lossAdvice)
  }
  await redis?.connected(redisPatienceMs)
  await sweeper.start()

  return {
    log: {
      ledger,
      redis: redis && mirrors && bus && loopBack && { log: redis, mirrors, bus, loopBack },
      get ledgerBehind() {
        return ledger.losses.lostOn !== undefined
      },
      nodeId: node,
      logger,
      foreign,
    },
    meter: { appends: ledger.meter, mirror: meter },
    async append(event: NewEvent): Promise<Appended> {
      checkTaking()
      return appendTo(ledger, event)
    },
    async appendTogether(events) {
      checkTaking()
      return ledger.appendTogether(events)
    },
    subscribe: request => subscribing.subscribe(request),
    unsubscribe: (channel, client) => feeds.get(channel)?.leave(client),
    history: request => history.read(request),
    status(): DurableStatus {
      return {
        ledger: !sweeper.ledgerReachable
          ? 'unreachable'
          : ledger.losses.lostOn !== undefined
            ? 'behind_mirror'
            : ledger.readOnly
              ? 'read_only'
              : 'ready',
        mirror: !mirrors?.reachable ? 'unreachable' : sweeper.healing ? 'healing' : 'ready',
        epoch: ledger.epoch,
        ...(ledger.losses.advice !== undefined && { advice: ledger.losses.advice }),
      }
    },
    channels() {
      const sizes = [...feeds].filter(feed => feed.size > 0).map(feed => [feed.channel, feed.size] as const)
      return new Map(sizes)
    },
    async close(): Promise<void> {
      closing = true
      await ledger.close()
      stopStored()
      stopEpoch()
      if (parts) await within(parts.mirror.drained(), redisPatienceMs, 'mirroring').catch(() => undefined)
      sweeper.close()
      comparison.close()
      feeds.endAll()
      pages.clear()
      loopBack?.close()
      await bus?.close()
      redis?.close()
    },
  }
}

async function appendTo(ledger: Ledger, event: NewEvent): Promise<Appended> {
  const id = event.id === undefined ? newEventId() : normalizeEventId(event.id)
  if (id === undefined)
    throw new HoldfastError('REQUEST_INVALID', `expected a UUID as id, got ${String(event.id).slice(0, 40)}`)
  const outcome = await ledger.append({ ...event, id })
  const { epoch } = ledger
  switch (outcome.kind) {
    case 'stored':
      return { offset: outcome.event.offset, epoch, id, time: outcome.event.time, duplicate: false }
    case 'duplicate':
      return { offset: outcome.offset, epoch, id, time: outcome.time, duplicate: true }
    case 'conflict':
      throw new HoldfastError(
        'OFFSET_CONFLICT',
        `${event.channel} is at ${outcome.head}, not ${event.expectedOffset}`,
        {
          details: { head: outcome.head },
        },
      )
    case 'refused':
      throw new HoldfastError(outcome.code ?? 'DUPLICATE_CONFLICT', outcome.reason)
  }
}
