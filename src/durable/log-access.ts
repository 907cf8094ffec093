import type { NewEvent } from '../domain/index.ts'
import type { ForeignMessages, Logger, LoopBack, Subscriptions } from '../platform/index.ts'
import type { AppendMeter } from './ledger/append-meter.ts'
import type { Ledger, TogetherOutcome } from './ledger/ledger.ts'
import type { LogRedis } from './mirror/log-redis.ts'
import type { MirrorMeter } from './mirror/mirror-meter.ts'
import type { PartitionMirrors } from './mirror/partition-mirror.ts'
import type { DurableTier } from './tier.ts'

/** Ledger, mirror and bus of a node, for those who read the log beside the tier. The tier owns and closes them. */
export interface LogAccess {
  readonly ledger: Ledger
  /** Undefined where no Redis is configured: the ledger alone is read. */
  readonly redis:
    | {
        readonly log: LogRedis
        readonly mirrors: PartitionMirrors
        readonly bus: Subscriptions
        readonly loopBack: LoopBack
      }
    | undefined
  /** The ledger has lost events of which the mirror still tells: for what is settled the mirror is no source then. */
  readonly ledgerBehind: boolean
  readonly nodeId: string
  readonly logger: Logger
  /** Where messages of other releases are counted. */
  readonly foreign: ForeignMessages
}

/** The tier of a node that also works behind the log. */
export interface OpenTier extends DurableTier {
  readonly log: LogAccess
  /** How appends and mirroring have fared on this node. */
  readonly meter: { readonly appends: AppendMeter; readonly mirror: MirrorMeter }
  /**
   * Records events of one channel all or not at all, see `Ledger.appendTogether`.
   * @throws HoldfastError SHUTTING_DOWN, LEDGER_BEHIND, EPOCH_CHANGED, DEPENDENCY_* (temporary: repeat with the same ids)
   */
  appendTogether(events: readonly (NewEvent & { readonly id: string })[]): Promise<TogetherOutcome>
}
