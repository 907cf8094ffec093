import type { Logger } from '../../platform/index.ts'
import type { LogAccess } from '../log-access.ts'
import type { GroupMeter } from './group-meter.ts'
import type { GroupStore } from './group-store.ts'
import type { LogReader } from './log-reader.ts'
import type { News } from './news.ts'
import type { Routes } from './routes.ts'
import type { GroupSettings } from './settings.ts'
import type { Tick } from './tick.ts'
import type { Turns } from './turn.ts'

/** What works for one group in this process, on the partitions that membership gives it. Nothing here rejects. */
export interface Runner {
  /** Called after each tick. What was held before and is not listed, or has another fence, is lost: stop it at once. */
  tick(tick: Tick): void
  /** Partitions that it has wholly finished with; listed until a tick does not have them any more. */
  released(): readonly number[]
  /** Nothing can be settled any more (the lease has run out, the group is removed): abort what is in hand. */
  lose(): void
  /** Partitions in work. */
  readonly partitions: readonly number[]
  /** How many events it was given that somebody had settled before. */
  readonly suppressed: number
  /** Finishes and settles what is in hand, at most so long, then aborts the rest. */
  close(withinMs: number): Promise<void>
}

/** What a runner is made of. */
export interface RunnerParts {
  readonly name: string
  /** Whose ticks these are: no two processes ever have the same. */
  readonly member: string
  readonly settings: GroupSettings
  readonly routes: Routes
  readonly log: LogAccess
  readonly news: News
  readonly reader: LogReader
  readonly store: GroupStore
  readonly turns: Turns
  readonly meter: GroupMeter
  readonly logger: Logger
  /** Asks for the next tick at once: something was released or lost. */
  readonly tickSoon: () => void
}
