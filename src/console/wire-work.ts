import type { Part } from './wire-common.ts'

/** What every act answers. */
export interface ActDone {
  /** A sentence. */
  readonly says: string
  readonly changed: boolean
}

/** `GET /console/api/parked?after=<id>&limit=50` and the fields of `ParkedFilter`. */
export interface ParkedAnswer {
  readonly time: number
  readonly parked: Part<{
    readonly deliveries: readonly DeliveryView[]
    /** How many match in all. */
    readonly count: number
    readonly next: number | null
  }>
}

export interface ParkedFilter {
  /** `group/<name>` or `rule/<name>`. */
  readonly consumer?: string
  readonly channel?: string
  readonly namespace?: string
  readonly type?: string
  /** Part of the reason. */
  readonly reason?: string
  readonly olderThanSeconds?: number
  readonly newerThanSeconds?: number
}

export interface DeliveryView {
  readonly id: number
  readonly consumer: string
  readonly channel: string
  readonly offset: number
  readonly partition: number
  readonly position: number
  readonly eventId: string
  readonly eventType: string
  readonly state: string
  readonly attempts: number
  readonly reason: string | null
  readonly created: number
  readonly updated: number
  readonly actor: string | null
}

export interface ParkedWish {
  readonly act: 'redrive' | 'discard'
  /** Deliveries by id, or all that match. */
  readonly selection: { readonly ids: readonly number[] } | { readonly filter: ParkedFilter }
}

export interface ParkedPreview {
  /** To be named by the act, within five minutes. */
  readonly preview: string
  readonly act: 'redrive' | 'discard'
  readonly count: number
  readonly reasons: readonly {
    readonly consumer: string
    readonly reason: string | null
    readonly count: number
  }[]
  readonly sample: readonly DeliveryView[]
}

export interface ParkedAct {
  readonly preview: string
  /** As the preview said: proof that somebody has read it. */
  readonly count: number
  /** Discarding needs one. */
  readonly reason?: string
}

export interface BulkProgress {
  readonly id: string
  readonly act: 'redrive' | 'discard'
  readonly total: number
  readonly changed: number
  readonly done: boolean
  /** No longer parked when it was their turn. */
  readonly notParked: number
  /** Why it has ended early. */
  readonly problem: string | null
}

/** `GET /console/api/projections` */
export interface ProjectionsAnswer {
  readonly time: number
  readonly projections: Part<readonly ProjectionView[]>
}

export interface ProjectionView {
  readonly name: string
  /** The build and version that readers see; null: none. */
  readonly active: number | null
  readonly version: number | null
  readonly builds: readonly BuildView[]
}

export interface BuildView {
  readonly build: number
  readonly version: number
  readonly state: string
  readonly group: string
  readonly tables: readonly string[]
  readonly progress: {
    readonly done: number
    readonly total: number
    /** Events a second; null: unknown, or it has caught up. */
    readonly rate: number | null
    readonly secondsLeft: number | null
  }
  readonly members: number
  readonly paused: boolean
  readonly lag: { readonly events: number; readonly seconds: number }
  readonly open: { readonly parked: number; readonly retrying: number; readonly waiting: number }
  readonly created: number
  readonly caughtUp: number | null
  readonly switched: number | null
  readonly switchedBy: string | null
  readonly requestedBy: string | null
}

export interface ProjectionAct {
  readonly projection: string
  readonly act: 'rebuild' | 'switch_back' | 'pause' | 'resume' | 'drop'
  /** Of a rebuild: by default the version that readers see. */
  readonly version?: number
  /** Of a drop. */
  readonly build?: number
  readonly reason?: string
}

/** `GET /console/api/groups` */
export interface GroupsAnswer {
  readonly time: number
  readonly groups: Part<readonly GroupView[]>
}

export interface GroupView {
  readonly name: string
  readonly mode: 'ordered' | 'competing'
  readonly paused: boolean
  readonly namespaces: readonly string[] | null
  readonly created: number
  readonly members: number
  readonly total: number
  readonly lag: { readonly events: number; readonly seconds: number }
  readonly open: { readonly parked: number; readonly retrying: number; readonly waiting: number }
}

/** Freezing a group is `pause`. */
export interface GroupAct {
  readonly group: string
  readonly act: 'pause' | 'resume'
  readonly reason?: string
}

/** `GET /console/api/jobs` */
export interface JobsAnswer {
  readonly time: number
  readonly rules: Part<readonly RuleView[]>
  /** The first 500 by name. */
  readonly schedules: Part<readonly ScheduleView[]>
  readonly webhooks: Part<readonly WebhookView[]>
  readonly outbox: Part<{
    readonly waiting: number
    readonly oldestSeconds: number
    readonly refused: number
  }>
}

export interface RuleView {
  readonly name: string
  readonly channel: string
  readonly types: readonly string[] | null
  readonly target: 'webhook' | 'handler' | 'queue'
  readonly to: string | null
  readonly declared: boolean
  readonly created: number
  readonly queued: number
  readonly failing: number
  readonly parked: number
  readonly oldestOpen: number | null
}

export interface ScheduleView {
  readonly name: string
  readonly act: 'append' | 'publish'
  readonly channel: string
  readonly type: string | null
  readonly cron: string | null
  readonly zone: string | null
  readonly everySeconds: number | null
  /** When it happens next; null: never again. */
  readonly due: number | null
  /** The last time for which it has happened. */
  readonly lastDue: number | null
  /** Why the last attempt failed. */
  readonly failure: string | null
  readonly paused: boolean
  /** No process declares it any more. */
  readonly resting: boolean
}

export interface WebhookView {
  readonly rule: string
  readonly failures: number
  readonly failingSince: number | null
  readonly disabledAt: number | null
  readonly reason: string | null
  readonly parked: number
  readonly open: number
}

export interface ScheduleAct {
  readonly schedule: string
  readonly act: 'pause' | 'resume'
  readonly reason?: string
}

export interface WebhookAct {
  readonly rule: string
  readonly act: 'enable' | 'disable'
  /** Disabling needs one. */
  readonly reason?: string
}

/** `GET /console/api/namespaces` */
export interface NamespacesAnswer {
  readonly time: number
  readonly namespaces: readonly NamespaceView[]
  /** Whether the switches could be read, and how old they are. */
  readonly switches: Part<number>
}

export interface NamespaceView {
  readonly name: string
  readonly tier: 'realtime' | 'durable'
  /** Channels with subscribers on this node, and how many subscriptions. */
  readonly channels: number
  readonly subscriptions: number
  /** Null: it takes publications. */
  readonly readOnly: { readonly since: number; readonly by: string; readonly reason: string | null } | null
}

export interface NamespaceAct {
  readonly namespace: string
  readonly readOnly: boolean
  readonly reason?: string
}

export interface BreakerAct {
  readonly role: string
  readonly act: 'hold_passing' | 'hold_rejecting' | 'release'
  readonly reason?: string
}

/** Sent as the server: realtime channels get a publication, durable ones an event that stays. */
export interface TestMessage {
  readonly channel: string
  /** Of an event (default `console.test`). */
  readonly type?: string
  readonly data: unknown
}

export interface TestMessageSent extends ActDone {
  readonly tier: 'realtime' | 'durable'
  readonly offset: number | null
  readonly epoch: string | null
  readonly id: string | null
  readonly tookMs: number
}
