/**
 * What the console's server and its page say to each other: types alone, without imports, so that the page takes nothing
 * of the server with it. All times are milliseconds since 1970, all ages and lags seconds, unless a name says otherwise.
 *
 * Every call carries `Authorization: Bearer <console token>` (none where `auth.insecure` and no token is configured).
 * An answer is JSON; a refusal has a status of 400 or above and a `Refusal` as body.
 */
import type { Me } from './wire-common.ts'
import type { Lags, Overview, Top } from './wire-now.ts'
import type { Acts, EventAnswer, Marks, Rates } from './wire-past.ts'
import type {
  ActDone,
  BreakerAct,
  BulkProgress,
  GroupAct,
  GroupsAnswer,
  JobsAnswer,
  NamespaceAct,
  NamespacesAnswer,
  ParkedAct,
  ParkedAnswer,
  ParkedPreview,
  ParkedWish,
  ProjectionAct,
  ProjectionsAnswer,
  ScheduleAct,
  TestMessage,
  TestMessageSent,
  WebhookAct,
} from './wire-work.ts'

export type * from './wire-common.ts'
export type * from './wire-now.ts'
export type * from './wire-past.ts'
export type * from './wire-work.ts'

/** The answers of `GET /console/api/<path>`, by path. Query parameters stand at each type. */
export interface Reads {
  readonly me: Me
  readonly overview: Overview
  readonly lags: Lags
  readonly top: Top
  readonly rates: Rates
  readonly marks: Marks
  readonly acts: Acts
  readonly event: EventAnswer
  readonly parked: ParkedAnswer
  readonly projections: ProjectionsAnswer
  readonly groups: GroupsAnswer
  readonly jobs: JobsAnswer
  readonly namespaces: NamespacesAnswer
}

/** Bodies and answers of `POST /console/api/<path>`, by path; all but `*_preview` are for operators and leave an audit row. */
export interface Writes {
  /** Step one of a redrive or a discard: what it would hit. */
  readonly parked_preview: { body: ParkedWish; answer: ParkedPreview }
  /** Step two: refused with `REQUEST_INVALID` where the preview is older than five minutes or hits fewer by now; it never hits what was parked since. */
  readonly parked_act: { body: ParkedAct; answer: BulkProgress }
  /** How far a bulk act is; ask again until `done`. */
  readonly parked_progress: { body: { readonly id: string }; answer: BulkProgress }
  readonly projection: { body: ProjectionAct; answer: ActDone }
  readonly group: { body: GroupAct; answer: ActDone }
  readonly schedule: { body: ScheduleAct; answer: ActDone }
  readonly webhook: { body: WebhookAct; answer: ActDone }
  readonly namespace: { body: NamespaceAct; answer: ActDone }
  readonly breaker: { body: BreakerAct; answer: ActDone }
  readonly message: { body: TestMessage; answer: TestMessageSent }
}
